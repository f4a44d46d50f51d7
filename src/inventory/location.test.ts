import { afterAll, beforeAll, expect, test } from 'vitest'
import { withTransaction } from '#platform/index.ts'
import { createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { addLocation, listLocations } from './location.ts'

let db: TestDatabase
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 10 })
})
afterAll(() => db.drop())

test('locations that are added at once are all there, each with a rank of its own', async () => {
  const ids = Array.from({ length: 8 }, (_, index) => `loc-${index}`)
  await Promise.all(
    [...ids, ...ids].map((id) =>
      withTransaction(db.database, (tx) => addLocation(tx, 'main', { id, name: id })),
    ),
  )
  const all = await listLocations(db.database, 'main')
  expect(all.map((one) => one.id).toSorted()).toEqual(ids)
  expect(all.map((one) => one.rank)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
})
