import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { findOrder } from '#orders/index.ts'
import { appendAudit, transact } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { unmatchedRefusal } from './import-returns.ts'
import { recordReturns } from './record-returns.ts'
import type { NewReturn, ReturnCondition } from './record-returns.ts'

/** Goods of one order that came back. `refundMinor` is qty × price of the line where absent. */
export type OrderReturnWish = {
  readonly order: string
  /** The merchant's own id of this return: it counts once. */
  readonly id: string
  readonly actor: string
  readonly source: 'http' | 'cli'
  /** ISO 8601; part of what the id stands for. */
  readonly returnedAt: string
  readonly note?: string | undefined
  readonly lines: readonly {
    readonly line: number
    readonly qty: number
    readonly condition: ReturnCondition
    readonly refundMinor?: number | undefined
  }[]
  readonly charges?: NewReturn['charges'] | undefined
}

/** What was recorded, or had been before (`wasNew` false). */
export type OrderReturned = {
  readonly id: string
  readonly wasNew: boolean
  readonly orderId: string
}

/**
 * Records what came back of one order, line by line, all of it or nothing. Refused: `order_unknown`,
 * `return_unmatched` where a line was not shipped or came back before, `return_conflict`.
 */
export async function returnOrder(
  context: Context,
  wish: OrderReturnWish,
): Promise<Outcome<OrderReturned>> {
  const { merchant, database } = context
  const order = await findOrder(database, merchant, wish.order)
  if (!order) return refuse('order_unknown', `There is no order ${wish.order}.`)
  const lines = new Map(order.lines.map((line) => [line.line, line]))
  const unknown = wish.lines.find((one) => !lines.has(one.line))
  if (unknown) {
    return refuse('return_unmatched', `Order ${order.id} has no line ${unknown.line}.`, {
      meta: { reason: 'sku_not_in_order' },
    })
  }
  const doc: NewReturn = {
    id: wish.id,
    returnedAt: wish.returnedAt,
    customer: order.customer,
    currency: order.currency,
    note: wish.note,
    charges: wish.charges ?? [],
    lines: wish.lines.map((one) => {
      const { sku = '', unit_price_minor: price = 0 } = lines.get(one.line) ?? {}
      const { qty, condition, line: orderLine } = one
      const refundMinor = one.refundMinor ?? qty * price
      return {
        sku,
        qty,
        condition,
        orderRef: order.id,
        orderLine,
        unitPriceMinor: price,
        refundMinor,
      }
    }),
  }
  return transact(database, async (tx) => {
    const { actor, source } = wish
    const [recorded] = await recordReturns(tx, { merchant, actor, source }, [doc])
    if (!recorded?.ok) return recorded ?? refuse('internal', 'Nothing was recorded.')
    const [first] = recorded.value.unmatched
    if (first) return { ok: false, refusal: unmatchedRefusal(doc.id, first) }
    const { id, wasNew } = recorded.value
    if (wasNew) {
      await appendAudit(tx, merchant, {
        actor,
        action: 'order.return',
        subjectId: order.id,
        after: { return_id: id, lines: wish.lines, charges: doc.charges },
        ...(wish.note ? { reason: wish.note } : {}),
      })
    }
    return accept({ id, wasNew, orderId: order.id })
  })
}
