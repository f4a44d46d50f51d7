import { many } from '#platform/index.ts'
import type { NewEvent, Transaction } from '#platform/index.ts'
import { freeLines } from './free-lines.ts'
import { closeOvertaken } from './line-statements.ts'
import { lockOrders } from './settle-recall.ts'

/** Takes every line of a dispatch back that its partner does not have; its wishes are answered with it. */
export async function takeBackAll(
  tx: Transaction,
  merchant: string,
  dispatch: string,
): Promise<readonly NewEvent[]> {
  const orders = await lockOrders(tx, merchant, dispatch)
  const ours = orders.flatMap((one) => (one.dispatch_id === dispatch ? [one.id] : []))
  const freed = await freeLines(tx, merchant, dispatch, ours)
  await many(tx, closeOvertaken, { merchant, dispatch })
  return freed
}
