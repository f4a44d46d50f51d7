import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { listCases } from '#cases/index.ts'
import { read } from '#platform/index.ts'
import { tempFile } from '../../../tests/temp-file.ts'
import { openWarehouse, record } from '../../fulfillment/warehouse.fixture.ts'
import type { Warehouse } from '../../fulfillment/warehouse.fixture.ts'
import { reconciliationChecks } from '../checks.ts'
import { claimFile } from './claim-file.ts'
import { readInvoiceFile } from './read-invoice.ts'
import { reconcileInvoice } from './reconcile-invoice.ts'

let warehouse: Warehouse
const fulfillments = new Map<string, string>()
const SHIPPED = { o1: 2, o2: 3, o3: 1, o4: 4 } as const

beforeAll(async () => {
  warehouse = await openWarehouse()
  const worker = await warehouse.startWorker()
  await warehouse.handOver(
    ...Object.entries(SHIPPED).map(([order, qty]) => {
      const allocations = [{ locationId: 'loc-shipco', qty }]
      return record(order, { lines: [{ line: 1, sku: 'A', qty, allocations }] })
    }),
  )
  const text = 'select id, order_id, state from fulfillment.fulfillment_order'
  await vi.waitFor(
    async () => {
      const rows = await warehouse.query(text)
      if (rows.some((row) => row['state'] !== 'shipped')) throw new Error('not all have shipped')
      for (const row of rows) fulfillments.set(String(row['order_id']), String(row['id']))
    },
    { timeout: 20_000 },
  )
  await worker.stop()
})
afterAll(() => warehouse.stop())

const HEADER = 'invoice_id,line,partner,fulfillment,sku,units,amount_minor,currency'
const bill = (
  invoice: string,
  ...lines: (readonly [order: string, units: number, minor: number])[]
) =>
  [
    HEADER,
    ...lines.map(([order, units, minor], index) =>
      [
        invoice,
        index + 1,
        'shipco',
        fulfillments.get(order) ?? order,
        'A',
        units,
        minor,
        'GBP',
      ].join(','),
    ),
  ].join('\n')
const match = async (text: string, shippedUpto?: Date) => {
  const { lines, refusals } = await readInvoiceFile(await tempFile(text))
  expect(refusals).toEqual([])
  return reconcileInvoice(warehouse.context, { lines, actor: 'person:ada', shippedUpto })
}
const openNow = () =>
  listCases(warehouse.context.database, 'main', {
    kind: 'invoice_difference',
    state: 'open',
    limit: 50,
  })

test('each line is judged once: matched, too much, twice, or never shipped; and the claim says so', async () => {
  const text = bill('I1', ['o1', 2, 200], ['o2', 5, 500], ['o1', 2, 200], ['nobody', 1, 90])
  const first = orThrow(await match(text))
  expect(first).toMatchObject({ recorded: 4, known: 0 })
  expect(first.lines.map((one) => [one.verdict, one.matched_units, one.disputed_minor])).toEqual([
    ['matched', 2, 0],
    ['over_billed', 3, 200],
    ['billed_twice', 0, 200],
    ['billed_not_shipped', 0, 90],
  ])
  const again = orThrow(await match(text))
  expect(again).toMatchObject({ recorded: 0, known: 4, lines: first.lines })
  const open = (await openNow()).map((one) => `${one.subject_id}: ${one.money_minor}`)
  expect(open.toSorted((a, b) => a.localeCompare(b))).toEqual([
    'shipco I1 2: 200',
    'shipco I1 3: 200',
    'shipco I1 4: 90',
  ])
  const claim = claimFile(again.lines).trim().split('\r\n')
  expect(claim).toHaveLength(4)
  expect(claim[1]).toBe(`shipco,I1,2,${fulfillments.get('o2')},o2,A,5,3,500,200,GBP,over_billed`)
  for (const { claim: name, find } of reconciliationChecks) {
    const broken = await read(warehouse.context.database, find, { merchant: 'main' })
    expect([name, broken]).toEqual([name, []])
  }
})

test('what one bill has had no other bill gets, however many come at once', async () => {
  const all = await Promise.all(
    ['R1', 'R2', 'R3', 'R4'].map((invoice) => match(bill(invoice, ['o3', 1, 100]))),
  )
  const verdicts = all.flatMap((one) => orThrow(one).lines.map((line) => line.verdict))
  expect(verdicts.toSorted((a, b) => a.localeCompare(b))).toEqual([
    'billed_twice',
    'billed_twice',
    'billed_twice',
    'matched',
  ])
})

test('what shipped and is in no bill is told with an estimate, until a bill comes', async () => {
  const upto = new Date(Date.now() + 60_000)
  const { unbilled } = orThrow(await match(bill('P1', ['o4', 1, 110]), upto))
  expect(unbilled).toMatchObject([{ order_id: 'o4', units: 3, estimated_minor: 330 }])
  const isOpen = async () =>
    (await openNow()).some((one) => one.subject_id === 'shipco o4 unbilled')
  expect(await isOpen()).toBe(true)
  expect(orThrow(await match(bill('P2', ['o4', 3, 330])))).toMatchObject({
    unbilled: [],
    lines: [{ verdict: 'matched' }],
  })
  expect(await isOpen()).toBe(false)
})

test('a changed line, a stranger and a bad row are refused with their lines, and nothing is kept', async () => {
  const changed = await match(bill('I1', ['o1', 2, 201]))
  expect(changed).toMatchObject({ refusal: { code: 'invoice_conflict', line: 2 } })
  const foreign = await match(bill('Z', ['o1', 1, 1]).replace('shipco', 'nobody'))
  expect(foreign).toMatchObject({ refusal: { code: 'partner_unknown', line: 2 } })
  const row = 'X,1,shipco,ful_1,A,1,5,GBP'
  const bad = `${HEADER}\n${row}\n${row}\nX,2,shipco,,A,1,5,GBP\nX,3,shipco,ful_1,A,0,5,GBP`
  expect((await readInvoiceFile(await tempFile(bad))).refusals).toMatchObject([
    { code: 'row_invalid', line: 3 },
    { code: 'row_invalid', line: 4 },
    { code: 'row_invalid', line: 5, field: 'units' },
  ])
})

test('a field that a spreadsheet would run is text', () => {
  const line = {
    partner_id: 'p',
    invoice_id: '=1+1',
    line_no: 1,
    reference: 'a,"b"',
    order_id: null,
    sku: '-A',
    units: 1,
    amount_minor: 5,
    currency: 'GBP',
    verdict: 'billed_twice',
    matched_units: 0,
    disputed_minor: 5,
  }
  expect(claimFile([line]).split('\r\n')[1]).toBe(
    `p,'=1+1,1,"a,""b""",,'-A,1,0,5,5,GBP,billed_twice`,
  )
})
