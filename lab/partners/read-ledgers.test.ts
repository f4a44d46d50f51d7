import { expect, test } from 'vitest'
import { acceptedDispatches, duplicatesIn } from './read-ledgers.ts'

const rows = (text: string) =>
  text.split(' ').map((one) => ({ key: one.slice(0, 1), fulfillment_id: one.slice(1) }))
const judge = (text: string): readonly [dispatches: number, duplicates: number] => {
  const accepted = acceptedDispatches(rows(text))
  return [accepted.length, duplicatesIn(accepted)]
}

test('a batch that came again is one duplicate, whatever its key, and two where it came twice more', () => {
  expect(judge('k1 k2 m3 m4')).toEqual([2, 0])
  expect(judge('k1 k2 m1 m2')).toEqual([2, 1])
  expect(judge('k1 k2 k1 k2')).toEqual([2, 1])
  expect(judge('k1 m1 n1')).toEqual([3, 2])
  // Batches that were cut otherwise at the second time ship twice all the same.
  expect(judge('k1 k2 m2 m3')).toEqual([2, 1])
})
