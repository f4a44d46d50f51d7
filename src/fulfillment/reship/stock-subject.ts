import { many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { selectGenerations } from './reship-statements.ts'

/** Whose reservation the units of an order and generation are: the order's, or that of its reship. */
export type StockSubjects = (of: {
  readonly fulfillment: string
  readonly generation: number
  readonly order: string
}) => string

/** Reads the subjects of some fulfillment orders. */
export async function stockSubjects(
  tx: Transaction,
  merchant: string,
  ids: readonly string[],
): Promise<StockSubjects> {
  const rows = await many(tx, selectGenerations, { merchant, ids })
  const reships = new Map(
    rows.map((row) => [`${row.fulfillment_id} ${row.generation}`, row.reship_id]),
  )
  return ({ fulfillment, generation, order }) =>
    reships.get(`${fulfillment} ${generation}`) ?? order
}
