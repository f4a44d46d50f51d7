import { accept, invariant, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, appendEvents, change, statement, withTransaction } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { openAllocations, releaseStock } from '#inventory/index.ts'
import { orderDigest } from '#wire/index.ts'
import { lockOrder } from './order-lock.ts'
import type { LockedOrder } from './order-lock.ts'
import type { PlacingDeps } from './place-orders.ts'
import { recordDecisions } from './record-decisions.ts'
import { review } from './review.ts'
import { currentRules } from './rule-set.ts'
import type { Withdrawal, WithdrawalAnswer } from './withdraw-order.ts'

const settle = statement({
  name: 'orders.settle_withdrawal',
  params: { merchant: 'text', id: 'text', state: 'text' },
  text: `
    update orders.withdrawal set state = $state, settled_at = now()
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

/**
 * Writes down what fulfillment answered. The guarded update of the wish makes it happen once: stock
 * is released, or a new revision decided on, in the same transaction, by whoever comes first.
 */
export async function settleWithdrawal(
  deps: PlacingDeps,
  withdrawal: Withdrawal,
  answer: 'withdrawn' | 'sealed',
): Promise<Outcome<WithdrawalAnswer>> {
  const { context } = deps
  const { merchant } = context
  await withTransaction(context.database, async (tx) => {
    const locked = await lockOrder(tx, merchant, withdrawal.orderId)
    invariant(locked.ok, 'a withdrawal names an order that exists')
    const state = answer === 'withdrawn' ? 'done' : 'refused'
    const isFirst = (await change(tx, settle, { merchant, id: withdrawal.id, state })) === 1
    if (!isFirst) return
    if (answer === 'withdrawn') await carryOut(tx, deps, withdrawal, locked.value)
    await appendAudit(tx, merchant, {
      actor: withdrawal.actor,
      action: `orders.${withdrawal.kind}`,
      subjectId: withdrawal.orderId,
      reason: withdrawal.reason,
      before: { state: locked.value.state, revision: locked.value.revision },
      after: { outcome: answer, withdrawal_id: withdrawal.id },
    })
  })
  if (answer === 'withdrawn') return accept({ withdrawalId: withdrawal.id, state: 'done' })
  return refuse(
    'dispatch_sealed',
    'The order is sealed in a dispatch; recalling it is not built yet.',
  )
}

async function carryOut(
  tx: Transaction,
  deps: PlacingDeps,
  withdrawal: Withdrawal,
  order: LockedOrder,
): Promise<void> {
  const { merchant } = deps.context
  if (withdrawal.kind === 'amend') return readdress(tx, deps, withdrawal, order)
  const state = withdrawal.kind === 'cancel' ? 'cancelled' : 'rejected'
  const closed = await change(tx, closeOrder, { merchant, id: order.id, state })
  invariant(closed === 1, 'an order with an open withdrawal is placed')
  await change(tx, clearOutbox, { merchant, order: order.id })
  const { units } = await releaseStock(tx, merchant, [
    { subjectId: order.id, sourceId: withdrawal.id },
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
  deps: PlacingDeps,
  withdrawal: Withdrawal,
  order: LockedOrder,
): Promise<void> {
  const { merchant } = deps.context
  const shipTo = { ...withdrawal.shipTo }
  const country = shipTo['country'] ?? null
  const digest = orderDigest({
    merchant,
    orderId: order.id,
    currency: order.currency,
    shipTo,
    lines: order.lines.map((line) => ({ lineId: String(line.line), sku: line.sku, qty: line.qty })),
  })
  const moved = await change(tx, readdressOrder, {
    merchant,
    id: order.id,
    revision: order.revision,
    ship_to: JSON.stringify(shipTo),
    country,
    digest,
  })
  invariant(moved === 1, 'an order with an open withdrawal keeps its revision')
  const rules = await currentRules(tx, merchant)
  const provenance = await deps.context.provenance()
  const quantityMax = order.lines.reduce((max, line) => Math.max(max, line.qty), 0)
  const verdict = review(
    { goodsMinor: order.goods_minor, quantityMax, customer: order.customer, country },
    rules.rules,
    {
      heldBefore: order.last_verdict !== 'clear',
      autoApproval: deps.flags.isOn('order_auto_approval_enabled'),
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
      flagSetVersion: provenance.flagSetVersion,
      provenanceId: provenance.id,
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
