import {
  appendAudit,
  appendEvents,
  change,
  many,
  read,
  statement,
  withTransaction,
} from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import { notifyWork } from '../fulfillment-statements.ts'
import { hurryLines, insertRecallLines } from './line-statements.ts'

const selectNamed = statement({
  name: 'fulfillment.select_named_dispatches',
  params: { merchant: 'text', names: 'text[]' },
  row: { id: 'text', batch_id: 'text' },
  text: `
    select id, batch_id from fulfillment.dispatch
     where merchant_id = $merchant and (id = any($names) or batch_id = any($names))
     order by id
     limit 2001`,
})

const selectLines = statement({
  name: 'fulfillment.select_recalled_lines',
  params: { merchant: 'text', dispatches: 'text[]' },
  row: {
    dispatch_id: 'text',
    dispatch_state: 'text',
    batch_id: 'text',
    partner_id: 'text',
    fulfillment_id: 'text',
    order_id: 'text',
    claim: 'text',
    state: 'text?',
    tracking_number: 'text?',
  },
  text: `
    select l.dispatch_id, d.state as dispatch_state, d.batch_id, d.partner_id, l.fulfillment_id,
           l.order_id, l.state as claim, r.state, r.tracking_number
      from fulfillment.line_claim l
      join fulfillment.dispatch d on d.merchant_id = l.merchant_id and d.id = l.dispatch_id
      left join fulfillment.recall_line r
        on r.merchant_id = l.merchant_id and r.dispatch_id = l.dispatch_id
       and r.fulfillment_id = l.fulfillment_id
     where l.merchant_id = $merchant and l.dispatch_id = any($dispatches)
     order by l.dispatch_id, l.fulfillment_id`,
})

/** Batches or dispatches named in one call. */
export const RECALLED_MAX = 1_000

/** One line that is asked back, and how far it is. `refused_before`: its partner never took it. */
export type RecalledOrder = {
  readonly fulfillment_id: string
  readonly order_id: string
  readonly state: string
  readonly tracking_number: string | null
}

/** What a recall of one named batch or dispatch came to so far. */
export type RecallResult = {
  readonly name: string
  readonly code: 'requested' | 'settled' | 'dispatch_unknown'
  readonly dispatches: readonly {
    readonly id: string
    readonly batch_id: string
    readonly partner_id: string
    readonly state: string
    readonly orders: readonly RecalledOrder[]
  }[]
}

/** Who asks for what back, and why. */
export type RecallWish = {
  readonly names: readonly string[]
  readonly actor: string
  readonly reason: string
}

/**
 * Asks for whole batches or dispatches back, many in one call, each in a transaction of its own with its
 * audit row. Asking again changes nothing and answers how far it is. What came back is held for a person.
 */
export async function recallDispatches(
  context: Context,
  wish: RecallWish,
): Promise<readonly RecallResult[]> {
  const { merchant, database } = context
  const names = [...new Set(wish.names)].slice(0, RECALLED_MAX)
  const found = await read(database, selectNamed, { merchant, names })
  for (const { id } of found) {
    await withTransaction(database, (tx) => requestRecall(tx, merchant, { ...wish, dispatch: id }))
  }
  const rows = await recalledLines(
    context,
    found.map((one) => one.id),
  )
  const ofDispatch = Map.groupBy(rows, (row) => row.dispatch_id)
  return names.map((name) => resultOf(name, found, ofDispatch))
}

/** Asks for every live line of one dispatch back, and answers how many were not asked for before. */
export async function requestRecall(
  tx: Transaction,
  merchant: string,
  wish: { readonly dispatch: string; readonly actor: string; readonly reason: string },
): Promise<number> {
  const { dispatch, actor, reason } = wish
  const asked = await many(tx, insertRecallLines, {
    merchant,
    dispatch,
    fulfillments: null,
    cause: 'operator',
    actor,
    reason,
  })
  await change(tx, hurryLines, { merchant, dispatch })
  if (asked.length > 0) {
    const data = { orders: asked.length, code: 'operator' }
    await appendEvents(tx, merchant, [
      { subjectId: dispatch, kind: 'dispatch.recall_requested', data },
    ])
  }
  const after = { asked: asked.length, orders: asked.slice(0, 100).map((one) => one.order_id) }
  await appendAudit(tx, merchant, {
    actor,
    action: 'dispatch.recall',
    subjectId: dispatch,
    reason,
    after,
  })
  await many(tx, notifyWork, { topic: 'fulfillment' })
  return asked.length
}

function recalledLines(
  { database, merchant }: Pick<Context, 'database' | 'merchant'>,
  dispatches: readonly string[],
): Promise<readonly LineRow[]> {
  return read(database, selectLines, { merchant, dispatches })
}

type LineRow = RowOf<typeof selectLines.row>

function resultOf(
  name: string,
  found: readonly { readonly id: string; readonly batch_id: string }[],
  ofDispatch: ReadonlyMap<string, readonly LineRow[]>,
): RecallResult {
  const ours = found.filter((one) => one.id === name || one.batch_id === name)
  const dispatches = ours.flatMap(({ id }) => {
    const lines = ofDispatch.get(id) ?? []
    const [first] = lines
    if (!first) return []
    const { batch_id, partner_id, dispatch_state: state } = first
    return [{ id, batch_id, partner_id, state, orders: lines.map(orderOf) }]
  })
  const isOpen = dispatches.some((one) => one.orders.some((order) => OPEN.has(order.state)))
  const code = ours.length === 0 ? 'dispatch_unknown' : isOpen ? 'requested' : 'settled'
  return { name, code, dispatches }
}

const OPEN = new Set(['requested', 'in_progress', 'unknown_order'])

function orderOf(row: LineRow): RecalledOrder {
  const { fulfillment_id, order_id, tracking_number } = row
  // A line that was not live any more when its dispatch was asked for has no wish: its claim tells.
  return { fulfillment_id, order_id, state: row.state ?? row.claim, tracking_number }
}
