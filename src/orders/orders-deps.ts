import type { Context } from '#platform/index.ts'
import type { OrderPlacing } from './place/place-orders.ts'
import type { OrderTokens } from './order-token.ts'
import type { AskDecision } from './decide-order.ts'
import type { AskWithdrawal } from './withdraw-order.ts'

/** Whether the approving call waited for the partner: `async` did not, `pending` waited in vain. */
export type FirstAttempt = 'async' | 'attempted' | 'pending'

/** Answers of routes that wait for a partner's first answer, in milliseconds: that wait, and their own. */
export const CLEAR_ANSWER_MAX_MS = 25_000

/** What the routes of this domain need; the composition root makes it once. */
export type OrdersDeps = {
  readonly context: Context
  readonly placing: OrderPlacing
  readonly tokens: OrderTokens
  readonly askWithdrawal: AskWithdrawal
  readonly askDecision: AskDecision
  /**
   * Called after an order was cleared, by rule or by a person. With `fulfillment_webhook_async` off
   * it waits, bounded, for the first attempt at the partner and says what came of the wait.
   */
  readonly afterClear: (orderId: string) => Promise<FirstAttempt>
  /** How far fulfillment has come with an order, in the buyer's words; `placed` where it has not begun. */
  readonly stageOf: (orderId: string) => Promise<string>
}
