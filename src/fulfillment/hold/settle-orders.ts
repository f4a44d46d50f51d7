import { newId } from '#kernel/index.ts'
import { appendEvents, change, many } from '#platform/index.ts'
import type { NewEvent, Transaction } from '#platform/index.ts'
import {
  holdOrders,
  insertHolds,
  lockByOrder,
  newestDecisions,
  openHolds,
  openOrders,
  releaseReviewHolds,
} from '../fulfillment-statements.ts'
import { standingHolds } from './asked-decision.ts'
import { insertRecallLines } from '../recall/line-statements.ts'
import { settleHolds } from './settle-holds.ts'
import type { Settlement, StoredVerdict } from './settle-holds.ts'

type LockedOrder = {
  readonly id: string
  readonly order_id: string
  readonly revision: number
  readonly state: string
  readonly cleared_by: string | null
  readonly dispatch_id: string | null
}

/** How many fulfillment orders a settlement opened or held. */
export type Settled = { readonly opened: number; readonly held: number }

/**
 * Brings every unsealed fulfillment order of some orders to what its newest decision and its open
 * holds say. Locks them in id order first, so that it meets the seal and the withdrawal row by row.
 * A HOLD on what is with a partner asks for it back. A HOLD that was asked for and has not arrived yet goes
 * before every decision that has.
 */
export async function settleOrders(
  tx: Transaction,
  merchant: string,
  orderIds: readonly string[],
): Promise<Settled> {
  const locked = await many(tx, lockByOrder, { merchant, orders: orderIds })
  const fulfillments = locked.map((one) => one.id)
  const holds = await many(tx, openHolds, { merchant, fulfillments })
  const standing = await standingHolds(tx, merchant, orderIds)
  const newest = await readNewest(tx, merchant, orderIds)
  const hasHold = (id: string, kind: string) =>
    holds.some((hold) => hold.fulfillment_id === id && hold.kind === kind)
  const held = new Set(holds.map((hold) => hold.fulfillment_id))
  const settled: (readonly [LockedOrder, Settlement])[] = []
  const events: NewEvent[] = []
  for (const one of locked) {
    const asked = standing.get(one.order_id)
    const isAsked = asked !== undefined && asked.revision >= one.revision
    const verdict = isAsked ? asked : newest.get(one.order_id)
    if (one.state !== 'held' && one.state !== 'open') {
      if (isHeldTooLate(one, verdict)) events.push(...(await recallHeld(tx, merchant, one)))
      continue
    }
    const settlement = settleHolds(
      {
        id: one.id,
        state: one.state,
        revision: one.revision,
        clearedBy: one.cleared_by,
        hasReviewHold: held.has(one.id) && hasHold(one.id, 'review'),
        hasOperatorHold: held.has(one.id) && hasHold(one.id, 'operator'),
      },
      verdict,
    )
    settled.push([one, settlement])
  }
  const done = await writeSettlements(tx, merchant, settled)
  await appendEvents(tx, merchant, [...events, ...done.events])
  return { opened: done.opened, held: done.held }
}

// A HOLD that reaches goods already promised to a partner asks for them back.
function isHeldTooLate(one: LockedOrder, verdict: StoredVerdict | undefined): boolean {
  const isWithPartner = one.state === 'sealed' || one.state === 'accepted'
  return isWithPartner && verdict?.verdict === 'hold' && verdict.id !== one.cleared_by
}

async function recallHeld(
  tx: Transaction,
  merchant: string,
  one: LockedOrder,
): Promise<readonly NewEvent[]> {
  const asked = await many(tx, insertRecallLines, {
    merchant,
    dispatch: one.dispatch_id ?? '',
    fulfillments: [one.id],
    cause: 'hold',
    actor: 'review',
    reason: 'a later decision holds the order',
  })
  return asked.map(() => eventOf(one, 'fulfillment.recall_requested', { code: 'hold' }))
}

async function readNewest(
  tx: Transaction,
  merchant: string,
  orders: readonly string[],
): Promise<Map<string, StoredVerdict>> {
  const rows = await many(tx, newestDecisions, { merchant, orders })
  return new Map(
    rows.map((row) => [
      row.order_id,
      {
        id: row.id,
        verdict: row.verdict === 'clear' ? 'clear' : 'hold',
        reasons: row.reasons,
        revision: row.revision,
        effectiveAt: row.effective_at,
      },
    ]),
  )
}

async function writeSettlements(
  tx: Transaction,
  merchant: string,
  settled: readonly (readonly [LockedOrder, Settlement])[],
): Promise<{ opened: number; held: number; events: readonly NewEvent[] }> {
  const opens = settled.flatMap(([one, to]) => (to.kind === 'open' ? [{ one, to }] : []))
  const holds = settled.flatMap(([one, to]) => (to.kind === 'hold' ? [{ one, to }] : []))
  const reviews = holds.flatMap(({ one, to }) =>
    to.placeReview ? [{ one, reasons: to.placeReview }] : [],
  )
  const reviewed = [
    ...opens.map(({ one }) => one.id),
    ...holds.flatMap(({ one, to }) => (to.isReviewOver ? [one.id] : [])),
  ]
  if (reviewed.length > 0) {
    await change(tx, releaseReviewHolds, {
      merchant,
      fulfillments: reviewed,
      actor: 'review',
      reason: 'a certified CLEAR arrived',
    })
  }
  if (opens.length > 0) {
    await many(tx, openOrders, {
      merchant,
      ids: opens.map(({ one }) => one.id),
      decisions: opens.map(({ to }) => to.decision.id),
      effective: opens.map(({ to }) => to.decision.effectiveAt),
    })
  }
  if (holds.length > 0)
    await many(tx, holdOrders, { merchant, ids: holds.map(({ one }) => one.id) })
  if (reviews.length > 0) {
    await change(tx, insertHolds, {
      merchant,
      ids: reviews.map(() => newId('hold')),
      fulfillments: reviews.map(({ one }) => one.id),
      kind: 'review',
      reasons: reviews.map(({ reasons }) => JSON.stringify(reasons)),
      actor: 'review',
    })
  }
  const events = [
    ...opens.map(({ one, to }) =>
      eventOf(one, 'fulfillment.opened', {
        decision_id: to.decision.id,
        effective_at: to.decision.effectiveAt,
      }),
    ),
    ...reviews.map(({ one, reasons }) => eventOf(one, 'fulfillment.held', { reasons })),
  ]
  return { opened: opens.length, held: reviews.length, events }
}

function eventOf(
  one: LockedOrder,
  kind: string,
  data: Readonly<Record<string, unknown>>,
): NewEvent {
  return { subjectId: one.id, kind, data: { order_id: one.order_id, ...data } }
}
