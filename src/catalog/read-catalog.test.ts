import { expect, test } from 'vitest'
import { readAll, tempFile } from '../../tests/temp-file.ts'
import { readCatalog } from './read-catalog.ts'

async function read(...lines: string[]) {
  return readAll(readCatalog(await tempFile(lines.join('\n'))))
}

test('columns are found by name in any order, and others are passed over', async () => {
  const rows = await read('price_minor,colour,title,sku', '85,red,"GLOBE, inflatable",10002')
  const product = { sku: '10002', title: 'GLOBE, inflatable', priceMinor: 85, currency: 'GBP' }
  expect(rows).toEqual([{ ok: true, value: { line: 2, ...product, openingUnits: 0 } }])
})

test('opening stock is the larger of what was sold and what was needed', async () => {
  const rows = await read(
    'sku,title,price_minor,units,units_needed,currency',
    'A,a,1,860,683,EUR',
    'B,b,1,3,9,EUR',
  )
  expect(rows).toMatchObject([
    { value: { openingUnits: 860, currency: 'EUR' } },
    { value: { openingUnits: 9 } },
  ])
})

test.each([
  ['an empty SKU', ',t,1,1', 'sku'],
  ['a space in its SKU', 'A B,t,1,1', 'sku'],
  ['no title', 'A, ,1,1', 'title'],
  ['a price in pounds', 'A,t,1.50,1', 'price_minor'],
  ['a price below zero', 'A,t,-1,1', 'price_minor'],
  ['no price', 'A,t,,1', 'price_minor'],
  ['units that are no number', 'A,t,1,many', 'units'],
])('a product is refused with line and column that has %s', async (_, row, field) => {
  const rows = await read('sku,title,price_minor,units', 'Z,z,1,1', row)
  expect(rows[1]).toMatchObject({ ok: false, refusal: { code: 'row_invalid', line: 3, field } })
})

test('a SKU that stands twice is refused and the first line named', async () => {
  const rows = await read('sku,title,price_minor', 'A,a,1', 'A,a,1')
  expect(rows[1]).toMatchObject({
    ok: false,
    refusal: { line: 3, field: 'sku', detail: expect.stringMatching(/line 2/) },
  })
})

test('missing columns are all named', async () => {
  const rows = await read('sku,colour', 'A,red')
  expect(rows).toMatchObject([
    {
      ok: false,
      refusal: { code: 'file_unreadable', detail: expect.stringMatching(/title, price_minor/) },
    },
  ])
})
