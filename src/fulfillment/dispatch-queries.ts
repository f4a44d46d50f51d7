import { read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'
import type { Page } from './fulfillment-queries.ts'

const DISPATCH = {
  id: 'text',
  partner_id: 'text',
  batch_id: 'text',
  revision: 'int4',
  key: 'text',
  content_sha256: 'text',
  sequence: 'int8',
  state: 'text',
  attempt: 'int4',
  orders: 'int4',
  last_code: 'text?',
  next_attempt_at: 'timestamptz',
  sealed_at: 'timestamptz',
  first_attempt_at: 'timestamptz?',
  settled_at: 'timestamptz?',
  ship_by: 'timestamptz?',
} as const
const COLUMNS = `d.id, d.partner_id, d.batch_id, d.revision, d.key,
  encode(d.content_sha256, 'hex') as content_sha256, d.sequence, d.state, d.attempt, b.orders,
  d.last_code, d.next_attempt_at, d.sealed_at, d.first_attempt_at, d.settled_at, d.ship_by`
const FROM = `fulfillment.dispatch d
  join fulfillment.batch b on b.merchant_id = d.merchant_id and b.id = d.batch_id`

const listByState = statement({
  name: 'fulfillment.list_dispatches',
  params: {
    merchant: 'text',
    state: 'text?',
    partner: 'text?',
    at_risk: 'bool',
    before: 'text?',
    limit: 'int4',
  },
  row: DISPATCH,
  text: `
    select ${COLUMNS} from ${FROM}
     where d.merchant_id = $merchant and ($state is null or d.state = $state)
       and ($partner is null or d.partner_id = $partner)
       and (not $at_risk or d.id in (
         select f.dispatch_id from fulfillment.fulfillment_order f
          where f.merchant_id = $merchant and f.ship_by_alarm in ('at_risk', 'missed')))
       and ($before is null or d.id < $before)
     order by d.id desc
     limit $limit`,
})

const selectByIds = statement({
  name: 'fulfillment.select_dispatches',
  params: { merchant: 'text', ids: 'text[]' },
  row: DISPATCH,
  text: `
    select ${COLUMNS} from ${FROM}
     where d.merchant_id = $merchant and d.id = any($ids)
     order by d.id`,
})

const selectAttempts = statement({
  name: 'fulfillment.select_attempts',
  params: { merchant: 'text', ids: 'text[]' },
  row: {
    dispatch_id: 'text',
    attempt: 'int4',
    started_at: 'timestamptz',
    finished_at: 'timestamptz',
    class: 'text',
    status: 'int4?',
    code: 'text?',
    response: 'text?',
  },
  text: `
    select dispatch_id, attempt, started_at, finished_at, class, status, code,
           left(encode(response, 'escape'), 2000) as response
      from fulfillment.attempt
     where merchant_id = $merchant and dispatch_id = any($ids)
     order by dispatch_id, attempt`,
})

const selectLines = statement({
  name: 'fulfillment.select_dispatch_lines',
  params: { merchant: 'text', id: 'text' },
  row: { fulfillment_id: 'text', order_id: 'text', decision_id: 'text', state: 'text' },
  text: `
    select fulfillment_id, order_id, decision_id, state from fulfillment.line_claim
     where merchant_id = $merchant and dispatch_id = $id
     order by fulfillment_id`,
})

const selectSealed = statement({
  name: 'fulfillment.select_sealed_evidence',
  params: { merchant: 'text', id: 'text' },
  row: { bytes_sha256: 'text', bytes_length: 'int4', proof_key_id: 'text?' },
  text: `
    select encode(sha256(bytes), 'hex') as bytes_sha256, octet_length(bytes) as bytes_length, proof_key_id
      from fulfillment.sealed_body
     where merchant_id = $merchant and dispatch_id = $id`,
})

/** A dispatch with the bytes that every attempt sends, by their hash, and what partners replied. */
export type DispatchEvidence = DispatchRow & {
  readonly sealed: { readonly [K in keyof SealedRow]: SealedRow[K] | null }
  readonly attempts: readonly AttemptRow[]
  readonly lines: readonly DispatchLineRow[]
}
type SealedRow = RowOf<typeof selectSealed.row>

/** A dispatch as lists show it. */
export type DispatchRow = RowOf<typeof DISPATCH>
/** One attempt; `response` is the beginning of the answer, bytes that are not ASCII escaped. */
export type AttemptRow = RowOf<typeof selectAttempts.row>
/** One fulfillment order in a dispatch. */
export type DispatchLineRow = RowOf<typeof selectLines.row>

/**
 * Dispatches, newest first, of one state or partner or of all; `isAtRisk`: only those with an order of
 * which the alarm of its promise is raised.
 */
export function listDispatches(
  database: Database,
  merchant: string,
  page: Page & {
    readonly state?: string
    readonly partner?: string
    readonly isAtRisk?: boolean
  },
): Promise<readonly DispatchRow[]> {
  const { limit, before = null, state = null, partner = null, isAtRisk = false } = page
  return read(database, listByState, { merchant, state, partner, at_risk: isAtRisk, before, limit })
}

/** Everything that a person needs who must answer for a dispatch; undefined where there is none. */
export async function dispatchEvidence(
  database: Database,
  merchant: string,
  id: string,
): Promise<DispatchEvidence | undefined> {
  const [[one], [sealed], attempts, lines] = await Promise.all([
    dispatchesOf(database, merchant, [id]),
    read(database, selectSealed, { merchant, id }),
    attemptsOf(database, merchant, [id]),
    linesOf(database, merchant, id),
  ])
  if (!one) return undefined
  const { bytes_sha256 = null, bytes_length = null, proof_key_id = null } = sealed ?? {}
  return { ...one, sealed: { bytes_sha256, bytes_length, proof_key_id }, attempts, lines }
}

/** Dispatches by id; unknown ids are left out. */
export function dispatchesOf(
  database: Database,
  merchant: string,
  ids: readonly string[],
): Promise<readonly DispatchRow[]> {
  return read(database, selectByIds, { merchant, ids })
}

/** Every attempt of some dispatches, in order. */
export function attemptsOf(
  database: Database,
  merchant: string,
  ids: readonly string[],
): Promise<readonly AttemptRow[]> {
  return read(database, selectAttempts, { merchant, ids })
}

/** What a dispatch carries. */
export function linesOf(
  database: Database,
  merchant: string,
  id: string,
): Promise<readonly DispatchLineRow[]> {
  return read(database, selectLines, { merchant, id })
}
