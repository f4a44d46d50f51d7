import { setTimeout as pause } from 'node:timers/promises'
import { read, statement } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'

const selectAttempted = statement({
  name: 'fulfillment.select_first_attempts',
  params: { merchant: 'text', order: 'text' },
  row: { is_attempted: 'bool?' },
  text: `
    select bool_and(f.state in ('accepted', 'shipped', 'delivered', 'rejected', 'recalled', 'withdrawn')
             or coalesce(d.attempt > 0 and d.state not in ('sending'), false)) as is_attempted
      from fulfillment.fulfillment_order f
      left join fulfillment.dispatch d on d.merchant_id = f.merchant_id and d.id = f.dispatch_id
     where f.merchant_id = $merchant and f.order_id = $order`,
})

const LOOK_EVERY_MS = 25

/**
 * Waits, at most `timeoutMs`, until the partners of an order were called once: what an approving call
 * does while `fulfillment_webhook_async` is off. The intent is committed first either way.
 */
export async function awaitFirstAttempt(
  context: Context,
  orderId: string,
  timeoutMs: number,
): Promise<'attempted' | 'pending'> {
  const { merchant, database, clock } = context
  const untilMs = clock.monotonicMs() + timeoutMs
  for (;;) {
    const [row] = await read(database, selectAttempted, { merchant, order: orderId })
    if (row?.is_attempted === true) return 'attempted'
    if (clock.monotonicMs() >= untilMs) return 'pending'
    await pause(LOOK_EVERY_MS)
  }
}
