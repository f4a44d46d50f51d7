// Orders at a partner, and what the partner tells of them, for the tests of parcels.
import { newId, orThrow } from '#kernel/index.ts'
import { upsertProducts } from '#catalog/index.ts'
import { recordStock } from '#inventory/index.ts'
import { read, withTransaction } from '#platform/index.ts'
import { fulfillmentChecks } from '../checks.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { applyInbox } from './apply-inbox.ts'
import { keepEvent } from './keep-event.ts'

/** An order that is sealed for the partner. */
export type Order = { readonly id: string; readonly order: string; readonly key: string }
/** A parcel as it is told of; one that is not live names a dispatch that we do not know. */
export type Parcel = {
  readonly name: string
  readonly lines: readonly (readonly [line: number, qty: number])[]
  readonly isLive: boolean
  readonly units?: readonly string[]
}

type Check = Pick<(typeof fulfillmentChecks)[number], 'find'> & { readonly claim: string }

/** Units of the lines of every order here. */
export const ORDERED = [3, 2]
/** SKUs of the lines. */
export const SKUS = ['A', 'B']
const DEAD_KEY = `hfd1-${'a'.repeat(32)}`

/** What the tests of parcels do with a warehouse. */
export function parcelsOf(house: Warehouse) {
  let orders = 0
  /** An order of three A and two B, sealed; `lines` replaces the quantities. */
  async function sealed(ordered = ORDERED): Promise<Order> {
    orders += 1
    const order = `ord_parcels_${orders}`
    const lines = ordered.map((qty, index) => ({
      line: index + 1,
      sku: SKUS[index] ?? 'A',
      qty,
      allocations: [{ locationId: 'loc-shipco', qty }],
    }))
    await house.handOver(record(order, { lines }))
    await sealBatch(house.context, 'shipco', house.deps)
    const rows = await house.query(
      `select f.id, d.key from fulfillment.fulfillment_order f
         join fulfillment.dispatch d on d.id = f.dispatch_id where f.order_id = '${order}'`,
    )
    return { id: String(rows[0]?.['id']), order, key: String(rows[0]?.['key']) }
  }

  let sequence = 0
  async function tell(type: string, key: string, more: object, partner = 'shipco'): Promise<void> {
    sequence += 1
    const body = {
      schema: 'holdfast.partner-event/1',
      type,
      partner,
      sequence,
      occurred_at: '2026-02-09T10:00:00.000Z',
      dispatch_key: key,
      ...more,
    }
    const raw = Buffer.from(JSON.stringify(body))
    const event = { partner, webhookId: newId('evt'), secretNumber: 1, raw }
    orThrow(await keepEvent(house.context, event))
  }
  const lineOf = ([line, qty]: readonly [number, number]) => ({
    line_id: String(line),
    sku: SKUS[line - 1] ?? 'A',
    qty,
  })
  const ship = (one: Order, parcel: Parcel) =>
    tell('shipment.shipped', parcel.isLive ? one.key : DEAD_KEY, {
      shipments: [
        {
          shipment_id: `${one.id}-${parcel.name}`,
          fulfillment_id: one.id,
          tracking_number: `T-${parcel.name}`,
          lines: parcel.lines.map((line) => ({
            ...lineOf(line),
            ...(parcel.units ? { unit_ids: parcel.units } : {}),
          })),
        },
      ],
    })
  const short = (one: Order, lines: readonly (readonly [number, number])[]) =>
    tell('shipment.short', one.key, {
      fulfillments: [{ fulfillment_id: one.id, code: 'no_stock', lines: lines.map(lineOf) }],
    })
  const apply = async () => {
    while ((await applyInbox(house.context)) > 0);
  }
  const stateOf = async (one: Order) => {
    const rows = await house.query(
      `select state from fulfillment.fulfillment_order where id = '${one.id}'`,
    )
    return rows[0]?.['state']
  }
  const countOf = async (from: string) =>
    Number((await house.query(`select count(*)::int as n from ${from}`))[0]?.['n'])
  // Of parcels: what a parcel says of a second acceptance is told beside it.
  const suspicions = (one: Order) =>
    countOf(
      `platform.event where kind = 'double_ship_suspected' and subject_id = '${one.id}'
          and data->>'reason' <> 'accepted_twice'`,
    )
  const openCasesOf = async (one: Order) => {
    const rows = await house.query(
      `select kind from cases."case" where order_id = '${one.order}' and state = 'open' order by kind`,
    )
    return rows.map((row) => row['kind'])
  }
  /** An order that has shipped whole by a parcel `first`. */
  async function shipped(): Promise<Order> {
    const one = await sealed()
    await ship(one, {
      name: 'first',
      lines: [
        [1, 3],
        [2, 2],
      ],
      isLive: true,
    })
    await apply()
    return one
  }
  /** The claims, of this domain unless others are given, that do not hold now. */
  async function broken(checks: readonly Check[] = fulfillmentChecks): Promise<readonly string[]> {
    const found: string[] = []
    for (const { claim, find } of checks) {
      if ((await read(house.test.database, find, { merchant: 'main' })).length > 0)
        found.push(claim)
    }
    return found
  }
  /** Units that are reserved in the name of a subject. */
  async function reservedFor(subject: string): Promise<unknown> {
    const [row] = await house.query(
      `select coalesce(sum(reserved_delta), 0)::int as n from inventory.movement where subject_id = '${subject}'`,
    )
    return row?.['n']
  }
  /** Puts so many units of each SKU on the partner's shelf. */
  async function receive(quantity: number): Promise<void> {
    const lines = SKUS.map((sku) => ({ sku, locationId: 'loc-shipco', quantity }))
    const receipt = { id: newId('adj'), kind: 'receive', lines } as const
    const products = SKUS.map((sku) => ({ sku, title: sku, priceMinor: 100, currency: 'GBP' }))
    await withTransaction(house.test.database, async (tx) => {
      await upsertProducts(tx, 'main', products)
      orThrow(await recordStock(tx, 'main', receipt, 'test'))
    })
  }
  return {
    receive,
    shipped,
    broken,
    reservedFor,
    sealed,
    tell,
    lineOf,
    ship,
    short,
    apply,
    stateOf,
    countOf,
    suspicions,
    openCasesOf,
  }
}
