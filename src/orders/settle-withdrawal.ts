import { accept, invariant, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import {
  appendAudit,
  appendEvents,
  change,
  maybe,
  statement,
  withTransaction,
} from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { openAllocations, releaseStock } from '#inventory/index.ts'
import { decidedUnder } from './place/decided-under.ts'
import type { DecidedUnder } from './place/decided-under.ts'
import { digestOf, lockOrder } from './order-lock.ts'
import type { LockedOrder } from './order-lock.ts'
import type { PlacingDeps } from './place/place-orders.ts'
import { recordDecisions } from './record-decisions.ts'
import { review } from './review.ts'
import { currentRules } from './rule-set.ts'
import type { Withdrawal, WithdrawalAnswer, WithdrawalWord } from './withdraw-order.ts'

const settle = statement({
  name: 'orders.settle_withdrawal',
  params: { merchant: 'text', id: 'text', state: 'text', refusal: 'text?' },
  text: `
    update orders.withdrawal set state = $state, refusal = $refusal, settled_at = now()
     where merchant_id = $merchant and id = $id and state = 'requested'`,
})

const closeOrder = statement({
  name: 'orders.close_order',
  params: { merchant: 'text', id: 'text', state: 'text' },
  text: `
    update orders."order" set state = $state
     where merchant_id = $merchant and id = $id and state = 'placed'`,
})

const readdressOrder = statement({
  name: 'orders.readdress_order',
  params: {
    merchant: 'text',
    id: 'text',
    revision: 'int4',
    ship_to: 'jsonb',
    country: 'text?',
    digest: 'bytea',
  },
  text: `
    update orders."order"
       set ship_to = $ship_to, country = $country, order_digest = $digest, revision = revision + 1
     where merchant_id = $merchant and id = $id and state = 'placed' and revision = $revision`,
})

const clearOutbox = statement({
  name: 'orders.clear_outbox',
  params: { merchant: 'text', order: 'text' },
  text: `delete from orders.handover_outbox where merchant_id = $merchant and order_id = $order`,
})

const postpone = statement({
  name: 'orders.postpone_withdrawal',
  params: { merchant: 'text', id: 'text' },
  row: { asked: 'int4' },
  text: `
    update orders.withdrawal
       set asked = asked + 1, ask_after = now() + make_interval(secs => least(10, 2 ^ least(asked, 4)))
     where merchant_id = $merchant and id = $id and state = 'requested'
    returning asked`,
})

/** Leaves a wish open and asks for it again later. */
export async function postponeWithdrawal(context: Context, withdrawal: Withdrawal): Promise<void> {
  const { merchant, id } = withdrawal
  await withTransaction(context.database, (tx) => maybe(tx, postpone, { merchant, id }))
}

/**
 * Writes down what fulfillment answered. The guarded update of the wish makes it happen once: stock
 * is released, or a new revision decided on, in the same transaction, by whoever comes first. While
 * partners are asked the wish stays open, and the order says so.
 */
export async function settleWithdrawal(
  deps: PlacingDeps,
  withdrawal: Withdrawal,
  word: WithdrawalWord,
): Promise<Outcome<WithdrawalAnswer>> {
  const { id: withdrawalId } = withdrawal
  if (word.kind === 'recalling') {
    await tellRequested(deps, withdrawal)
    return accept({ withdrawalId, state: 'recalling' })
  }
  const refusal = word.kind === 'withdrawn' ? null : REFUSED[word.kind]
  const under = await decidedUnder(deps)
  await withTransaction(deps.context.database, (tx) =>
    settleOnce(tx, { ...deps, under }, withdrawal, word),
  )
  if (refusal === null) return accept({ withdrawalId, state: 'done' })
  const { orderId: order } = withdrawal
  const back = {
    route: `POST /admin/orders/${order}/returns`,
    command: `holdfast returns record ${order}`,
  }
  const detail =
    word.kind === 'shipped'
      ? 'The goods have left; they come back as a return.'
      : 'Part of the goods have left and come back as a return; the others are stopped.'
  return refuse(refusal, detail, { meta: { return: back } })
}

const REFUSED = { shipped: 'order_shipped', partly: 'order_partly_shipped' } as const

type SettlingDeps = PlacingDeps & { readonly under: DecidedUnder }

async function settleOnce(
  tx: Transaction,
  deps: SettlingDeps,
  withdrawal: Withdrawal,
  word: WithdrawalWord,
): Promise<void> {
  const { merchant, id, orderId, kind } = withdrawal
  const locked = await lockOrder(tx, merchant, orderId)
  invariant(locked.ok, 'a withdrawal names an order that exists')
  // What partly left is stopped in part where it was cancelled; an address cannot change in part.
  const isCarriedOut = word.kind === 'withdrawn' || (word.kind === 'partly' && kind !== 'amend')
  const refusal = word.kind === 'shipped' || word.kind === 'partly' ? REFUSED[word.kind] : null
  const state = isCarriedOut ? 'done' : 'refused'
  const isFirst = (await change(tx, settle, { merchant, id, state, refusal })) === 1
  if (!isFirst) return
  if (isCarriedOut) await carryOut(tx, deps, withdrawal, locked.value, word)
  else {
    const told = kind === 'amend' ? 'order.address_change_refused' : 'order.cancellation_refused'
    const data = { code: refusal, withdrawal_id: id }
    await appendEvents(tx, merchant, [{ subjectId: orderId, kind: told, data }])
  }
  await appendAudit(tx, merchant, {
    actor: withdrawal.actor,
    action: `orders.${kind}`,
    subjectId: orderId,
    reason: withdrawal.reason,
    before: { state: locked.value.state, revision: locked.value.revision },
    after: { outcome: word.kind, withdrawal_id: id, freed_locations: word.freedLocations },
  })
}

async function tellRequested({ context }: PlacingDeps, withdrawal: Withdrawal): Promise<void> {
  const { merchant, id, orderId, kind } = withdrawal
  await withTransaction(context.database, async (tx) => {
    const open = await maybe(tx, postpone, { merchant, id })
    if (open?.asked !== 1) return
    const told =
      kind === 'amend' ? 'order.address_change_requested' : 'order.cancellation_requested'
    await appendEvents(tx, merchant, [
      { subjectId: orderId, kind: told, data: { withdrawal_id: id } },
    ])
  })
}

async function carryOut(
  tx: Transaction,
  deps: SettlingDeps,
  withdrawal: Withdrawal,
  order: LockedOrder,
  word: WithdrawalWord,
): Promise<void> {
  const { merchant } = deps.context
  if (withdrawal.kind === 'amend') return readdress(tx, deps, withdrawal, order)
  const whole = withdrawal.kind === 'cancel' ? 'cancelled' : 'rejected'
  const state = word.kind === 'partly' ? 'partly_cancelled' : whole
  const closed = await change(tx, closeOrder, { merchant, id: order.id, state })
  invariant(closed === 1, 'an order with an open withdrawal is placed')
  await change(tx, clearOutbox, { merchant, order: order.id })
  const { units } = await releaseStock(tx, merchant, [
    {
      subjectId: order.id,
      sourceId: withdrawal.id,
      ...(word.kind === 'partly' ? { locations: word.freedLocations } : {}),
    },
  ])
  await appendEvents(tx, merchant, [
    {
      subjectId: order.id,
      kind: `order.${state}`,
      data: { reason: withdrawal.reason, units_released: units },
    },
  ])
}

// A new address is a new revision: its digest differs, so the old approval cannot cover it.
async function readdress(
  tx: Transaction,
  deps: SettlingDeps,
  withdrawal: Withdrawal,
  order: LockedOrder,
): Promise<void> {
  const { merchant } = deps.context
  const shipTo = { ...withdrawal.shipTo }
  const country = shipTo['country'] ?? null
  const digest = digestOf(merchant, order, shipTo)
  const moved = await change(tx, readdressOrder, {
    merchant,
    id: order.id,
    revision: order.revision,
    ship_to: JSON.stringify(shipTo),
    country,
    digest,
  })
  invariant(moved === 1, 'an order with an open withdrawal keeps its revision')
  const before = digestOf(merchant, order, order.ship_to)
  invariant(
    before.equals(order.order_digest),
    'the lines of an order are those it was decided with',
  )
  const rules = await currentRules(tx, merchant)
  const { under } = deps
  const quantityMax = order.lines.reduce((max, line) => Math.max(max, line.qty), 0)
  const verdict = review(
    { goodsMinor: order.goods_minor, quantityMax, customer: order.customer, country },
    rules.rules,
    {
      submittedHold: false,
      heldBefore: order.last_verdict !== 'clear',
      approval: under.approval,
    },
  )
  await change(tx, clearOutbox, { merchant, order: order.id })
  const allocations = await openAllocations(tx, merchant, [order.id])
  await recordDecisions(
    tx,
    merchant,
    deps.reviewKey,
    [
      {
        orderId: order.id,
        orderNumber: order.order_number,
        allocations: allocations.get(order.id) ?? [],
        identity: order.identity,
        lines: order.lines,
        number: order.last_number + 1,
        revision: order.revision + 1,
        orderDigest: digest,
        shipByMs: order.ship_by?.getTime() ?? null,
        verdict,
        effectiveAtMs: order.now_ms,
        strata: { source: 'amend', lines: order.lines.length },
      },
    ],
    {
      decidedBy: 'rules',
      actor: 'service:orders',
      ruleVersion: rules.version,
      flagSetVersion: under.flagSetVersion,
      provenanceId: under.id,
    },
  )
  await appendEvents(tx, merchant, [
    {
      subjectId: order.id,
      kind: 'order.readdressed',
      data: { revision: order.revision + 1, verdict: verdict.kind },
    },
  ])
}
