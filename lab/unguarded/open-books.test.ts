import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { Client } from 'pg'
import { orThrow } from '#kernel/index.ts'
import { loadedKey } from '#platform/secrets/index.ts'
import { createShutdown, migrate, silentLog } from '#platform/index.ts'
import { openInstallation } from '#roles/index.ts'
import { createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { makeShop } from '../incident/make-shop.ts'
import { CALIBRATED, DEFAULT_SEED } from '../incident/parameters.ts'
import { openBooks } from './open-books.ts'
import { runUnguarded } from './run-unguarded.ts'

const labName = `lab_${randomBytes(6).toString('hex')}`
const urls = inject('postgres')
const lab = urls.ownerUrl.replace(/\/holdfast(?=\?|$)/, `/${labName}`)
const ask = async (url: string, text: string): Promise<readonly unknown[]> => {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(text).finally(() => client.end())
  return rows
}

let product: TestDatabase
beforeAll(async () => {
  product = await createTestDatabase()
  await ask(urls.adminUrl, `create database ${labName} owner holdfast_owner`)
  orThrow(await migrate(lab, { createAs: 'lab' }))
})
afterAll(async () => {
  await ask(urls.adminUrl, `drop database ${labName} with (force)`)
  await product.drop()
})

test('the world without guards refuses a database that was not created for the lab, and leaves no trace', async () => {
  const refusal = { code: 'product_database' }
  expect(await openBooks(product.ownerUrl)).toMatchObject({ ok: false, refusal })
  const shutdown = createShutdown({ log: silentLog })
  const plan = {
    shop: makeShop(CALIBRATED, DEFAULT_SEED),
    parameters: CALIBRATED,
    seed: DEFAULT_SEED,
    folder: '/nonexistent',
    database: product,
  }
  await expect(runUnguarded(plan, shutdown)).rejects.toMatchObject({ refusal })
  await shutdown.run('done')
  const made = `select 1 from pg_namespace where nspname = 'lab'`
  expect(await ask(product.ownerUrl, made)).toEqual([])
})

test('in a database of the lab it opens, and no role of the product does', async () => {
  const books = orThrow(await openBooks(lab))
  await books.close()
  const ground = {
    runtimeUrl: lab,
    ownerUrl: lab,
    key: loadedKey(Buffer.alloc(32, 1)),
    stop: () => Promise.resolve(),
  }
  expect(await openInstallation(ground, { log: silentLog })).toMatchObject({
    ok: false,
    refusal: { code: 'lab_database' },
  })
})
