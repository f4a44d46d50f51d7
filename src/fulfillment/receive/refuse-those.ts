import { RefusedError } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import type { JudgedRecord } from './judge-record.ts'

/**
 * Throws inside the transaction, so that a refused hand-over leaves nothing behind: the refusal of the
 * first record, with the places of all of them, so that the sender knows which others are in order.
 */
export function refuseThose(refused: readonly (readonly [JudgedRecord, Refusal])[]): void {
  const [first] = refused
  if (!first) return
  const [{ place }, refusal] = first
  const records = refused.map(([one]) => one.place)
  throw new RefusedError({ field: `records[${place}]`, ...refusal, meta: { records } })
}
