import { expect, test } from 'vitest'
import { readAll, tempFile } from '../../tests/temp-file.ts'
import { readStockRows } from './read-stock-rows.ts'

const HEADER = 'id,sku,location,quantity,note'

async function read(kind: 'receive' | 'adjust' | 'count', ...lines: string[]) {
  return readAll(readStockRows(await tempFile([HEADER, ...lines].join('\n')), kind))
}

test('rows are read with their signs and notes', async () => {
  const rows = await read('adjust', 'a-1,A,loc-x,-3,damaged', 'a-1,B,loc-x,+2,')
  expect(rows).toEqual([
    {
      ok: true,
      value: { line: 2, id: 'a-1', sku: 'A', locationId: 'loc-x', quantity: -3, note: 'damaged' },
    },
    {
      ok: true,
      value: { line: 3, id: 'a-1', sku: 'B', locationId: 'loc-x', quantity: 2, note: undefined },
    },
  ])
})

test.each([
  ['receive', '0'],
  ['receive', '-1'],
  ['adjust', '0'],
  ['count', '-1'],
  ['count', '1.5'],
  ['count', ''],
] as const)('a %s of "%s" units is refused', async (kind, quantity) => {
  expect(await read(kind, `d,A,loc-x,${quantity},`)).toMatchObject([
    { ok: false, refusal: { code: 'row_invalid', line: 2, field: 'quantity' } },
  ])
})

test('a document that comes back after another one is refused: its first half would be recorded alone', async () => {
  const rows = await read('count', 'd-1,A,l,1,', 'd-2,A,l,1,', 'd-1,B,l,1,')
  expect(rows[2]).toMatchObject({
    ok: false,
    refusal: { line: 4, field: 'id', detail: expect.stringMatching(/line 2/) },
  })
})

test('a SKU counted twice at one place in one document is refused', async () => {
  const rows = await read('count', 'd-1,A,l,1,', 'd-1,A,l,2,')
  expect(rows[1]).toMatchObject({
    ok: false,
    refusal: { line: 3, field: 'sku', detail: expect.stringMatching(/line 2/) },
  })
})
