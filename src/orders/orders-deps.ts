import type { Context } from '#platform/index.ts'
import type { OrderPlacing } from './place-orders.ts'
import type { OrderTokens } from './order-token.ts'
import type { AskWithdrawal } from './withdraw-order.ts'

/** What the routes of this domain need; the composition root makes it once. */
export type OrdersDeps = {
  readonly context: Context
  readonly placing: OrderPlacing
  readonly tokens: OrderTokens
  readonly askWithdrawal: AskWithdrawal
  /** Told after a person decided, so that the hand-over need not wait for its poll. */
  readonly onDecided?: (orderId: string) => void
  /** How far fulfillment has come with an order, in the buyer's words; `placed` where it has not begun. */
  readonly stageOf: (orderId: string) => Promise<string>
}
