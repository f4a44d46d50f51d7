import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readAll, tempFile } from '../../tests/temp-file.ts'
import { readOrders } from './read-orders.ts'

const order = {
  order_id: '536365',
  placed_at: '2010-12-01T08:26:00Z',
  customer: '17850',
  country: 'GB',
  country_name: 'United Kingdom',
  currency: 'GBP',
  lines: [
    { sku: '85123A', qty: 6, unit_price_minor: 255 },
    { sku: '71053', qty: 2, unit_price_minor: 339 },
  ],
  charges: [{ code: 'POST', qty: 1, unit_price_minor: 1800 }],
  goods_minor: 2208,
}
const json = (changes: object = {}) => JSON.stringify({ ...order, ...changes })

async function read(...lines: string[]) {
  return readAll(readOrders(await tempFile(lines.join('\n'))))
}

describe('an order of a file', () => {
  test('is read as an order, without what only files carry; empty lines count but give nothing', async () => {
    const [row, ...rest] = await read('', json(), ' ')
    const { country_name: _, goods_minor: __, ...input } = order
    expect(row).toEqual({ ok: true, value: { line: 2, reference: '536365', input } })
    expect(rest).toEqual([])
  })

  test('is read from gzip', async () => {
    const path = await tempFile(gzipSync(`${json()}\n`))
    expect(await readAll(readOrders(path))).toMatchObject([{ ok: true, value: { line: 1 } }])
  })

  test.each([
    ['not JSON', '{"order_id":', undefined, 'not JSON'],
    ['not an object', '[]', undefined, ''],
    ['a key twice', '{"order_id":"1","order_id":"2"}', undefined, 'twice'],
    ['no id of its own', json({ order_id: undefined }), 'order_id', 'needs its own id'],
    ['a name that nobody knows', json({ colour: 'red' }), 'colour', ''],
    ['no lines', json({ lines: [] }), 'lines', ''],
    ['a line without units', json({ lines: [{ sku: 'A', qty: 0 }] }), 'lines[0].qty', ''],
    [
      'a fraction of a penny',
      json({ lines: [{ sku: 'A', qty: 1, unit_price_minor: 0.5 }] }),
      'lines[0].unit_price_minor',
      '',
    ],
    ['a time without a zone', json({ placed_at: '2010-12-01T08:26:00' }), 'placed_at', ''],
    ['a country in words', json({ country: 'France' }), 'country', 'ISO 3166'],
    ['goods that the lines do not sum up to', json({ goods_minor: 2209 }), 'goods_minor', '2208'],
  ])(
    'is refused with line and field that has %s, and the next one follows',
    async (_, bad, field, words) => {
      const [first, refused, next] = await read(
        json({ order_id: 'a' }),
        bad,
        json({ order_id: 'b' }),
      )
      expect(first?.ok).toBe(true)
      expect(refused).toMatchObject({ ok: false, refusal: { code: 'row_invalid', line: 2 } })
      expect(refused?.ok === false && refused.refusal.field).toBe(field)
      expect(refused?.ok === false && refused.refusal.detail).toContain(words)
      expect(next).toMatchObject({ ok: true, value: { line: 3 } })
    },
  )

  test('names every bad field, up to five', async () => {
    const [row] = await read(json({ currency: 'pounds', country: 'UK!', customer: '' }))
    const detail = row?.ok === false ? row.refusal.detail : ''
    expect(detail).toMatch(/country|currency/)
    expect(detail.split(';')).toHaveLength(3)
  })
})

describe('an order id that comes again', () => {
  test('with other content is refused and both lines are named', async () => {
    const rows = await read(json(), json({ order_id: 'x' }), json({ customer: '17851' }))
    expect(rows[2]).toMatchObject({ ok: false, refusal: { line: 3, field: 'order_id' } })
    expect(rows[2]?.ok === false && rows[2].refusal.detail).toMatch(/line 1 .* line 3/)
  })

  test('with the same content is the same order', async () => {
    const again = { placed_at: '2010-12-01T08:26:00.000+00:00' }
    const rows = await read(json(), json(again))
    expect(rows.map((row) => row.ok)).toEqual([true, true])
  })
})
