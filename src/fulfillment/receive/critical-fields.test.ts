import { fromBinary } from '@bufbuild/protobuf'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bytesEqual, newId, orThrow, REFUSALS } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { addLocation } from '#inventory/index.ts'
import { registerPartner } from '#partners/index.ts'
import { withTransaction } from '#platform/index.ts'
import { handOverReader, sealHandOver } from '#wire/index.ts'
import {
  HandOverRequestSchema,
  RecordChunkSchema,
} from '../../wire/gen/holdfast/fulfillment/v1/handoff_pb.js'
import { relaysOf } from '../../wire/relay.fixture.ts'
import { criticalPaths, pathName, tamperingsOf } from '../../wire/tamper.fixture.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { KEYS, MASTER_KEY, openLane, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { receiveHandOver } from './receive-hand-over.ts'
import type { HandOverReceipt } from './receive-hand-over.ts'

const SHIP_TO = {
  name: 'Ada',
  street: '1 High Street',
  city: 'London',
  region: 'Greater London',
  postal_code: 'N1 1AA',
  country: 'GB',
  phone: '+44 20 7946 0000',
  email: 'ada@example.com',
}
const TABLES = ['received_order', 'decision', 'fulfillment_order', 'order_gate']

let house: Warehouse
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  // A second partner, so that units moved there could ship.
  orThrow(
    await registerPartner(house.context, MASTER_KEY, {
      id: 'other',
      url: 'https://other.example',
      locationId: 'loc-shipcox',
      actor: 'test',
    }),
  )
  await withTransaction(house.test.database, (tx) =>
    addLocation(tx, 'main', { id: 'loc-shipcox', name: 'Other' }),
  )
})
afterAll(() => house.stop())

/** One cleared order in a sealed batch: its envelopes, and the payload that carries it. */
function batchOf(id: string) {
  const records = [record(id, { shipTo: SHIP_TO })]
  const batch = { batchId: newId('hov'), merchant: 'main', provenance: 'prv_test', records }
  const { envelopes } = orThrow(sealHandOver(batch))
  return { relays: relaysOf(envelopes), payload: envelopes[1]?.payload ?? new Uint8Array() }
}

/** True where a relay made everything right again, the change included. */
function isUndone(stream: readonly Uint8Array[], payload: Uint8Array): boolean {
  const chunk = fromBinary(HandOverRequestSchema, stream[1] ?? new Uint8Array()).payload
  return bytesEqual(chunk, payload)
}

async function receive(stream: readonly Uint8Array[]): Promise<Outcome<HandOverReceipt>> {
  const reader = handOverReader()
  for (const bytes of stream) {
    const pushed = reader.push(fromBinary(HandOverRequestSchema, bytes))
    if (!pushed.ok) return pushed
  }
  const opened = reader.finish()
  if (!opened.ok) return opened
  return receiveHandOver(house.context, KEYS, opened.value)
}

/** How many rows a table has in all, and what is sealed. */
async function standing(): Promise<string> {
  const counts = TABLES.map((table) => `(select count(*) from fulfillment.${table}) as ${table}`)
  const rows = await house.query(`select ${counts.join(', ')}`)
  return JSON.stringify(rows[0])
}

async function sealedOrders(): Promise<readonly string[]> {
  await sealBatch(house.context, 'shipco', house.deps)
  await openLane(house.context, 'other')
  await sealBatch(house.context, 'other', house.deps)
  const rows = await house.query(`select distinct order_id from fulfillment.line_claim`)
  return rows.map((row) => String(row['order_id']))
}

let tamperings = 0
const paths = criticalPaths(RecordChunkSchema).map((path) => [pathName(path), path] as const)

describe('an order of which a critical field was tampered with on its way', () => {
  test('is one that would ship: unharmed, it is sealed', async () => {
    const { relays, payload } = batchOf('ord_unharmed')
    expect((await receive(relays.get('mended')?.(1, payload) ?? [])).ok).toBe(true)
    expect(await sealedOrders()).toContain('ord_unharmed')
  })

  test.each(paths)(
    '%s: is not sealed, and a refused batch leaves nothing behind',
    async (label, path) => {
      const ids: string[] = []
      for (const [index, one] of tamperingsOf(RecordChunkSchema, path).entries()) {
        for (const skill of ['mended', 'recounted', 'redigested']) {
          const id = `ord_${label.replaceAll('.', '-')}-${index}-${skill}`
          const { relays, payload } = batchOf(id)
          const stream = relays.get(skill)?.(1, one.apply(payload, 0))
          if (!stream || isUndone(stream, payload)) continue
          const before = await standing()
          const outcome = await receive(stream)
          tamperings += 1
          ids.push(id, `${id}x`, id.slice(0, -1))
          if (outcome.ok) continue
          expect(REFUSALS).toHaveProperty(outcome.refusal.code)
          expect({ how: one.name, after: await standing() }).toEqual({
            how: one.name,
            after: before,
          })
        }
      }
      expect(ids.length).toBeGreaterThan(2)
      const sealed = new Set(await sealedOrders())
      expect(ids.filter((id) => sealed.has(id))).toEqual([])
    },
  )

  afterAll(() => {
    console.info(
      `${paths.length} critical fields of records, ${tamperings} received after tampering`,
    )
  })
})
