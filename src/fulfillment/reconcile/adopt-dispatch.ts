import { bytesEqual, newId } from '#kernel/index.ts'
import {
  appendAudit,
  appendEvents,
  change,
  many,
  statement,
  withTransaction,
} from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import { writeAnswers } from '../dispatch/complete-dispatch.ts'
import { holdOrders, insertHolds, lineColumn, openHolds } from '../fulfillment-statements.ts'
import { isSealable, sealBody, shipByMember } from '../seal/seal-body.ts'
import type { SealableOrder } from '../seal/seal-body.ts'
import type { SealProver } from '../seal/seal-proof.ts'
import { nearestPromise } from '../seal/write-batches.ts'
import {
  insertBatches,
  insertBodies,
  insertClaims,
  insertDispatches,
  sealOrders,
  selectContent,
} from '../seal/seal-statements.ts'
import { selectByKey } from '../ship/inbox-statements.ts'
import type { KeyContents, ManifestEntry } from './ask-manifest.ts'
import { recordUnknown } from './unknown-fulfillments.ts'

const lockTaken = statement({
  name: 'fulfillment.lock_taken_orders',
  params: { merchant: 'text', ids: 'text[]' },
  row: {
    id: 'text',
    order_id: 'text',
    partner_id: 'text',
    revision: 'int4',
    generation: 'int4',
    state: 'text',
    cleared_by: 'text?',
    lines: lineColumn,
  },
  text: `
    select id, order_id, partner_id, revision, generation, state, cleared_by, lines
      from fulfillment.fulfillment_order
     where merchant_id = $merchant and id = any($ids)
     order by id
       for update`,
})

const settleAdopted = statement({
  name: 'fulfillment.settle_adopted_dispatch',
  params: { merchant: 'text', id: 'text', state: 'text' },
  text: `
    update fulfillment.dispatch
       set state = $state, settled_at = now(), last_code = 'adopted'
     where merchant_id = $merchant and id = $id and state = 'queued'`,
})

const quarantineHolding = statement({
  name: 'fulfillment.quarantine_dispatches_of',
  params: { merchant: 'text', ids: 'text[]' },
  row: { id: 'text' },
  text: `
    update fulfillment.dispatch d
       set state = 'quarantined', last_code = 'phantom'
     where d.merchant_id = $merchant and d.state = 'queued'
       and exists (select from fulfillment.line_claim l
                    where l.merchant_id = d.merchant_id and l.dispatch_id = d.id
                      and l.fulfillment_id = any($ids) and l.state = 'live')
    returning d.id`,
})

/** A dispatch that a partner has and our restored books have not. */
export type Phantom = {
  readonly partner: string
  readonly entry: ManifestEntry
  readonly contents: KeyContents
}

/** `adopted`: it is ours again. `held`: what of it we know is held, so that nothing goes twice. */
export type Adoption =
  | { readonly kind: 'adopted'; readonly dispatch: string }
  | { readonly kind: 'held'; readonly orders: readonly string[]; readonly unknown: number }

/**
 * Takes a dispatch of the time after a backup into the restored books: its content is built again
 * from our own rows, and only where it gives the very digest and key that the partner has is it
 * written, as accepted. Otherwise the orders that it names are held for a person, and each order that the
 * partner took is written down as an unknown fulfillment, which is never sealed.
 */
export async function adoptDispatch(
  context: Context,
  prover: SealProver,
  phantom: Phantom,
): Promise<Adoption> {
  const { id: provenance } = await context.provenance()
  const { merchant } = context
  const { accepted, rejected } = phantom.contents
  const ids = [...accepted, ...rejected.map((one) => one.id)]
  return withTransaction(context.database, async (tx) => {
    const orders = await many(tx, lockTaken, { merchant, ids })
    // Read under the locks: another comparison may have taken it back meanwhile.
    const [own] = await many(tx, selectByKey, { merchant, keys: [phantom.entry.key] })
    if (own) return { kind: 'adopted', dispatch: own.id }
    const rebuilt = await rebuild(tx, merchant, phantom, orders)
    if (rebuilt && orders.length === ids.length) {
      const frame = { merchant, prover, provenance, orders }
      return { kind: 'adopted', dispatch: await write(tx, frame, phantom, rebuilt) }
    }
    await hold(tx, merchant, phantom, orders)
    await recordUnknown(tx, merchant, phantom, orders)
    const known = orders.map((one) => one.order_id)
    return { kind: 'held', orders: known, unknown: ids.length - orders.length }
  })
}

type Taken = RowOf<typeof lockTaken.row>
type Rebuilt = {
  readonly body: ReturnType<typeof sealBody>
  readonly orders: readonly SealableOrder[]
}

/** The sealed body as it must have been; undefined where our rows do not give what the partner has. */
async function rebuild(
  tx: Transaction,
  merchant: string,
  { partner, entry, contents }: Phantom,
  taken: readonly Taken[],
): Promise<Rebuilt | undefined> {
  // What was recalled in part does not say which part.
  if (entry.state === 'recall_partial') return undefined
  if (
    taken.length === 0 ||
    taken.some((one) => one.state !== 'open' || one.partner_id !== partner)
  ) {
    return undefined
  }
  const rows = await many(tx, selectContent, {
    merchant,
    orders: [...new Set(taken.map((one) => one.order_id))],
  })
  const contentOf = new Map(rows.map((row) => [`${row.order_id} ${row.revision}`, row]))
  const orders = taken.map((one): SealableOrder => {
    const content = contentOf.get(`${one.order_id} ${one.revision}`)
    return {
      fulfillmentId: one.id,
      generation: one.generation,
      decisionId: one.cleared_by ?? '',
      shipTo: content?.ship_to ?? {},
      lines: one.lines,
      ...shipByMember(content?.ship_by ?? null),
    }
  })
  if (!orders.every(isSealable)) return undefined
  const { batch, revision, sequence } = entry
  const body = sealBody({ merchant, partner, batch, revision, sequence, orders })
  const digest = Buffer.from(entry.content_sha256, 'hex')
  const isSame =
    body.key === entry.key &&
    bytesEqual(body.contentSha256, digest) &&
    contents.content_sha256 === entry.content_sha256
  return isSame ? { body, orders } : undefined
}

async function write(
  tx: Transaction,
  frame: {
    readonly merchant: string
    readonly prover: SealProver
    readonly provenance: string
    readonly orders: readonly Taken[]
  },
  { partner, entry, contents }: Phantom,
  { body, orders }: Rebuilt,
): Promise<string> {
  const { merchant, provenance } = frame
  const id = newId('dsp')
  const { key, bytes, contentSha256 } = body
  const proof = frame.prover.prove({ merchant, partner, dispatch: id, key, bytes })
  const shared = { merchant, partner, provenance }
  await change(tx, insertBatches, { ...shared, ids: [entry.batch], orders: [orders.length] })
  await change(tx, insertDispatches, {
    ...shared,
    ids: [id],
    batches: [entry.batch],
    revisions: [entry.revision],
    keys: [key],
    digests: [contentSha256],
    sequences: [entry.sequence],
    promises: [nearestPromise(orders)],
  })
  await change(tx, insertBodies, {
    merchant,
    ids: [id],
    bodies: [bytes],
    proof_keys: [proof.keyId],
    proofs: [proof.mac],
  })
  const orderOf = new Map(frame.orders.map((one) => [one.id, one.order_id]))
  const fulfillments = orders.map((one) => one.fulfillmentId)
  const dispatches = orders.map(() => id)
  await change(tx, insertClaims, {
    merchant,
    dispatches,
    fulfillments,
    generations: orders.map((one) => one.generation),
    orders: fulfillments.map((one) => orderOf.get(one) ?? ''),
    decisions: orders.map((one) => one.decisionId),
  })
  await change(tx, sealOrders, { merchant, dispatches, fulfillments })
  const state = contents.accepted.length > 0 ? 'accepted' : 'rejected'
  await change(tx, settleAdopted, { merchant, id, state })
  const rejected = contents.rejected.map((one) => ({
    fulfillmentId: one.id,
    code: one.code,
    // What a restore forgot waits for a person: how often it was refused is among it.
    isRetriable: false,
  }))
  const answers = await writeAnswers(tx, merchant, [
    { dispatchId: id, next: { state, delayMs: 0 }, accepted: contents.accepted, rejected },
  ])
  const data = { partner_id: partner, key, sequence: entry.sequence, orders: orders.length }
  await appendEvents(tx, merchant, [{ subjectId: id, kind: 'dispatch.adopted', data }, ...answers])
  const after = { ...data, state }
  await appendAudit(tx, merchant, {
    actor: 'reconciliation',
    action: 'dispatch.adopt',
    subjectId: id,
    after,
  })
  return id
}

async function hold(
  tx: Transaction,
  merchant: string,
  { partner, entry }: Phantom,
  orders: readonly Taken[],
): Promise<void> {
  const ids = orders.map((one) => one.id)
  await many(tx, quarantineHolding, { merchant, ids })
  // Every comparison comes by here until somebody has looked: one hold is enough.
  const holds = await many(tx, openHolds, { merchant, fulfillments: ids })
  const isHeld = new Set(
    holds.flatMap((one) => (one.kind === 'operator' ? one.fulfillment_id : [])),
  )
  const free = ids.filter((id) => !isHeld.has(id))
  const held = await many(tx, holdOrders, { merchant, ids: free })
  if (held.length === 0) return
  await change(tx, insertHolds, {
    merchant,
    ids: held.map(() => newId('hold')),
    fulfillments: held.map((one) => one.id),
    kind: 'operator',
    reasons: held.map(() => JSON.stringify([`${partner} has it under ${entry.key}`])),
    actor: 'reconciliation',
  })
  await appendEvents(
    tx,
    merchant,
    held.map((one) => ({
      subjectId: one.id,
      kind: 'fulfillment.held',
      data: { reasons: ['phantom'], key: entry.key },
    })),
  )
}
