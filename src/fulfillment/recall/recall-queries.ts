import { read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'
import type { Page } from '../fulfillment-queries.ts'

const RECALL = {
  id: 'text',
  dispatch_id: 'text',
  partner_id: 'text',
  batch_id: 'text',
  revision: 'int4',
  key: 'text',
  state: 'text',
  attempt: 'int4',
  orders: 'int4',
  last_code: 'text?',
  next_attempt_at: 'timestamptz',
  sealed_at: 'timestamptz',
  answered_at: 'timestamptz?',
  body_sha256: 'text',
} as const
const COLUMNS = `q.id, q.dispatch_id, q.partner_id, q.batch_id, q.revision, q.key, q.state, q.attempt,
  (select count(*)::int from fulfillment.recall_order o
    where o.merchant_id = q.merchant_id and o.recall_id = q.id) as orders,
  q.last_code, q.next_attempt_at, q.sealed_at, q.answered_at,
  (select encode(sha256(b.bytes), 'hex') from fulfillment.recall_body b
    where b.merchant_id = q.merchant_id and b.recall_id = q.id) as body_sha256`

const listByState = statement({
  name: 'fulfillment.list_recalls',
  params: { merchant: 'text', state: 'text?', partner: 'text?', before: 'text?', limit: 'int4' },
  row: RECALL,
  text: `
    select ${COLUMNS} from fulfillment.recall q
     where q.merchant_id = $merchant and ($state is null or q.state = $state)
       and ($partner is null or q.partner_id = $partner)
       and ($before is null or q.id < $before)
     order by q.id desc
     limit $limit`,
})

const selectById = statement({
  name: 'fulfillment.select_recall',
  params: { merchant: 'text', id: 'text' },
  row: RECALL,
  text: `select ${COLUMNS} from fulfillment.recall q where q.merchant_id = $merchant and q.id = $id`,
})

const selectByDispatches = statement({
  name: 'fulfillment.select_recalls_of_dispatches',
  params: { merchant: 'text', dispatches: 'text[]' },
  row: RECALL,
  text: `
    select ${COLUMNS} from fulfillment.recall q
     where q.merchant_id = $merchant and q.dispatch_id = any($dispatches)
     order by q.id`,
})

const selectLines = statement({
  name: 'fulfillment.select_recall_lines',
  params: { merchant: 'text', dispatches: 'text[]' },
  row: {
    dispatch_id: 'text',
    fulfillment_id: 'text',
    order_id: 'text',
    cause: 'text',
    actor: 'text',
    reason: 'text',
    state: 'text',
    tracking_number: 'text?',
    asked: 'int4',
    next_ask_at: 'timestamptz',
    requested_at: 'timestamptz',
    answered_at: 'timestamptz?',
  },
  text: `
    select dispatch_id, fulfillment_id, order_id, cause, actor, reason, state, tracking_number, asked,
           next_ask_at, requested_at, answered_at
      from fulfillment.recall_line
     where merchant_id = $merchant and dispatch_id = any($dispatches)
     order by dispatch_id, fulfillment_id`,
})

const selectOrders = statement({
  name: 'fulfillment.select_recall_answers',
  params: { merchant: 'text', id: 'text' },
  row: {
    fulfillment_id: 'text',
    order_key: 'text',
    outcome: 'text?',
    tracking_number: 'text?',
    answered_by: 'text?',
    answered_at: 'timestamptz?',
  },
  text: `
    select fulfillment_id, order_key, outcome, tracking_number, answered_by, answered_at
      from fulfillment.recall_order
     where merchant_id = $merchant and recall_id = $id
     order by fulfillment_id`,
})

const selectAttempts = statement({
  name: 'fulfillment.select_recall_attempts',
  params: { merchant: 'text', id: 'text' },
  row: {
    attempt: 'int4',
    started_at: 'timestamptz',
    finished_at: 'timestamptz',
    class: 'text',
    status: 'int4?',
    code: 'text?',
    response: 'text?',
  },
  text: `
    select attempt, started_at, finished_at, class, status, code,
           left(encode(response, 'escape'), 2000) as response
      from fulfillment.recall_attempt
     where merchant_id = $merchant and recall_id = $id
     order by attempt`,
})

/** A recall as lists show it. */
export type RecallRow = RowOf<typeof RECALL>
/** The wish to have one line back, and what came of it. */
export type RecallLineRow = RowOf<typeof selectLines.row>

/** Recalls, newest first, of one state or partner or of all. */
export function listRecalls(
  database: Database,
  merchant: string,
  page: Page & { readonly state?: string; readonly partner?: string },
): Promise<readonly RecallRow[]> {
  const { limit, before = null, state = null, partner = null } = page
  return read(database, listByState, { merchant, state, partner, before, limit })
}

/** One recall with its evidence: what was asked, every attempt, the answer of each line. */
export async function findRecall(database: Database, merchant: string, id: string) {
  const [one] = await read(database, selectById, { merchant, id })
  if (!one) return undefined
  const [orders, attempts] = await Promise.all([
    read(database, selectOrders, { merchant, id }),
    read(database, selectAttempts, { merchant, id }),
  ])
  return { ...one, orders, attempts }
}

/** The recalls of some dispatches, oldest first. */
export function recallsOf(
  database: Database,
  merchant: string,
  dispatches: readonly string[],
): Promise<readonly RecallRow[]> {
  return read(database, selectByDispatches, { merchant, dispatches })
}

/** Which lines of some dispatches were asked back. */
export function recallLinesOf(
  database: Database,
  merchant: string,
  dispatches: readonly string[],
): Promise<readonly RecallLineRow[]> {
  return read(database, selectLines, { merchant, dispatches })
}
