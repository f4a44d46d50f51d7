import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import {
  appendAudit,
  appendEvents,
  change,
  many,
  read,
  statement,
  transact,
} from '#platform/index.ts'
import type { Context, Database, RowOf, Transaction } from '#platform/index.ts'
import type { Phantom } from './adopt-dispatch.ts'

const insertUnknown = statement({
  name: 'fulfillment.insert_unknown_fulfillments',
  params: {
    merchant: 'text',
    partner: 'text',
    key: 'text',
    batch: 'text',
    revision: 'int4',
    sequence: 'int8',
    digest: 'bytea',
    partner_state: 'text',
    ids: 'text[]',
    orders: 'text[]',
  },
  text: `
    insert into fulfillment.unknown_fulfillment as u
      (merchant_id, partner_id, key, fulfillment_id, identity, sequence, batch_id, revision, content_sha256,
       partner_state, state, order_id, settled_at)
    select $merchant, $partner, $key, f.id, substring(f.id from '^ful_([0-9a-v]{26})'), $sequence, $batch, $revision, $digest, $partner_state,
           case when f.order_id = '' then 'open' else 'held' end, nullif(f.order_id, ''),
           case when f.order_id <> '' then now() end
      from (select unnest($ids) as id, unnest($orders) as order_id) as f
        on conflict (merchant_id, partner_id, key, fulfillment_id) do update
       set partner_state = excluded.partner_state`,
})

/** What a partner may say of a dispatch; another word is kept as unknown. */
const PARTNER_STATES = new Set(['accepted', 'in_progress', 'shipped', 'recall_partial', 'recalled'])

/**
 * Writes down each order that a partner took under a key which our books cannot take back. Those that we know
 * are held with it; the others wait for the order that the shop sends again, or for a person.
 */
export async function recordUnknown(
  tx: Transaction,
  merchant: string,
  { partner, entry, contents }: Phantom,
  known: readonly { readonly id: string; readonly order_id: string }[],
): Promise<void> {
  const orderOf = new Map(known.map((one) => [one.id, one.order_id]))
  const ids = contents.accepted
  if (ids.length === 0) return
  await change(tx, insertUnknown, {
    merchant,
    partner,
    key: entry.key,
    batch: entry.batch,
    revision: entry.revision,
    sequence: entry.sequence,
    digest: Buffer.from(entry.content_sha256, 'hex'),
    partner_state: PARTNER_STATES.has(entry.state) ? entry.state : 'unknown',
    ids: [...ids],
    orders: ids.map((id) => orderOf.get(id) ?? ''),
  })
}

const closeRows = statement({
  name: 'fulfillment.close_unknown_fulfillment',
  params: { merchant: 'text', fulfillment: 'text', actor: 'text', reason: 'text' },
  row: { partner_id: 'text', key: 'text', was_order: 'text?' },
  text: `
    update fulfillment.unknown_fulfillment
       set state = 'closed', settled_at = now(), closed_by = $actor, closed_reason = $reason
     where merchant_id = $merchant and fulfillment_id = $fulfillment and state in ('open', 'held')
    returning partner_id, key, order_id as was_order`,
})

/**
 * Closes an unknown fulfillment on the word of a person: nobody waits for its order any more, and an order of the
 * same identity may be sealed. Audited. Refused: `fulfillment_unknown` where none is open under that id.
 */
export async function closeUnknown(
  { merchant, database }: Context,
  wish: { readonly fulfillment: string; readonly actor: string; readonly reason: string },
): Promise<Outcome<{ readonly closed: number }>> {
  const { fulfillment, actor, reason } = wish
  return transact(database, async (tx) => {
    const rows = await many(tx, closeRows, { merchant, fulfillment, actor, reason })
    if (rows.length === 0) {
      return refuse('fulfillment_unknown', `No unknown fulfillment ${fulfillment} is open.`)
    }
    const events = rows.map((one) => ({
      subjectId: fulfillment,
      kind: 'unknown_fulfillment.closed',
      data: { partner_id: one.partner_id, key: one.key },
    }))
    await appendEvents(tx, merchant, events)
    const action = 'unknown_fulfillment.close'
    await appendAudit(tx, merchant, {
      actor,
      action,
      subjectId: fulfillment,
      reason,
      after: { rows },
    })
    return accept({ closed: rows.length })
  })
}

const selectUnknown = statement({
  name: 'fulfillment.select_unknown_fulfillments',
  params: { merchant: 'text', partner: 'text?', after: 'text?', limit: 'int4' },
  row: {
    partner_id: 'text',
    fulfillment_id: 'text',
    key: 'text',
    sequence: 'int8',
    partner_state: 'text',
    state: 'text',
    order_id: 'text?',
    found_at: 'timestamptz',
  },
  text: `
    select partner_id, fulfillment_id, key, sequence, partner_state, state, order_id, found_at
      from fulfillment.unknown_fulfillment
     where merchant_id = $merchant and ($partner is null or partner_id = $partner)
       and state in ('open', 'held') and ($after is null or fulfillment_id > $after)
     order by fulfillment_id, partner_id, key
     limit $limit`,
})

/** One order that a partner holds and our books do not know, or hold because it differs. */
export type UnknownFulfillment = RowOf<typeof selectUnknown.row>

/** What waits to be matched or closed, by fulfillment id; `after` is the last id of the page before. */
export async function listUnknown(
  database: Database,
  merchant: string,
  page: {
    readonly partner?: string | undefined
    readonly after?: string | undefined
    readonly limit: number
  },
): Promise<readonly UnknownFulfillment[]> {
  const { partner = null, after = null, limit } = page
  return read(database, selectUnknown, { merchant, partner, after, limit })
}
