import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { checkInstanceKind } from './instance-kind.ts'
import { migrate } from './migrate.ts'

const labName = `kind_${randomBytes(6).toString('hex')}`
const urls = inject('postgres')
const at = (url: string, name: string): string => url.replace(/\/holdfast(?=\?|$)/, `/${name}`)

async function query(url: string, text: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  await query(urls.adminUrl, `create database ${labName} owner holdfast_owner`)
  orThrow(await migrate(at(urls.ownerUrl, labName), { createAs: 'lab' }))
})

afterAll(() => query(urls.adminUrl, `drop database ${labName} with (force)`))

test('a database created for the lab is refused by the product, and any other by the lab', async () => {
  const [lab, product] = [at(urls.ownerUrl, labName), urls.ownerUrl]
  expect(await checkInstanceKind(lab, 'lab')).toMatchObject({ ok: true })
  expect(await checkInstanceKind(product, 'product')).toMatchObject({ ok: true })
  expect(await checkInstanceKind(lab, 'product')).toMatchObject({
    refusal: { code: 'lab_database' },
  })
  expect(await checkInstanceKind(product, 'lab')).toMatchObject({
    refusal: { code: 'product_database' },
  })
})

test('a database of the product cannot be made one of the lab by migrating it again', async () => {
  expect(await migrate(urls.ownerUrl, { createAs: 'lab' })).toMatchObject({
    refusal: { code: 'product_database' },
  })
  expect(await migrate(at(urls.ownerUrl, labName), { createAs: 'lab' })).toMatchObject({
    ok: true,
  })
})

test('not even its owner changes what a database is for', async () => {
  const url = at(urls.ownerUrl, labName)
  const said = /said once/
  await expect(query(url, `update platform.instance set kind = 'product'`)).rejects.toThrow(said)
  await expect(query(url, 'delete from platform.instance')).rejects.toThrow(said)
  await expect(query(url, 'truncate platform.instance')).rejects.toThrow(said)
  await query(url, 'update platform.instance set fence_epoch = fence_epoch + 1')
})
