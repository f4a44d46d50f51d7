import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { idempotencyKey } from '../idempotency-key.ts'
import { openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { sealBatch } from './seal-batch.ts'
import { sealBody } from './seal-body.ts'
import { sealProver } from './seal-proof.ts'
import type { SealFacts } from './seal-proof.ts'

let house: Warehouse
beforeAll(async () => {
  house = await openWarehouse()
})
afterAll(() => house.stop())

/** Writes a whole dispatch as whoever has the runtime role's SQL could, and answers its key. */
async function forge(
  id: string,
  fulfillment: string,
  proof: (bytes: Buffer, key: string) => { readonly columns: string; readonly values: string },
): Promise<string> {
  const batch = `btc_${id}`
  const sequence = Number(id) + 1_000
  const body = sealBody({
    merchant: 'main',
    partner: 'shipco',
    batch,
    revision: 1,
    sequence,
    orders: [
      {
        fulfillmentId: fulfillment,
        generation: 1,
        decisionId: 'rvd_forged',
        shipTo: { name: 'Mallory' },
        lines: [{ line_id: '1', sku: 'A', qty: 1 }],
      },
    ],
  })
  const { columns, values } = proof(body.bytes, body.key)
  await house.query(`
    insert into fulfillment.batch (merchant_id, id, partner_id, orders, provenance_id)
      values ('main', '${batch}', 'shipco', 1, 'x')`)
  await house.query(`
    insert into fulfillment.dispatch (merchant_id, id, partner_id, batch_id, revision, key,
      content_sha256, sequence, fence_epoch, provenance_id)
      values ('main', 'dsp_${id}', 'shipco', '${batch}', 1, '${body.key}',
        '\\x${body.contentSha256.toString('hex')}', ${sequence}, 1, 'x')`)
  await house.query(`
    insert into fulfillment.sealed_body (merchant_id, dispatch_id, bytes${columns})
      values ('main', 'dsp_${id}', '\\x${body.bytes.toString('hex')}'${values})`)
  return body.key
}

describe('a held order whose dispatch somebody writes by hand', () => {
  test('cannot be written without a proof, and with a forged one is quarantined unsent', async () => {
    await house.handOver(record('ord_held', { verdict: 'hold' }))
    const [row] = await house.query(`select id from fulfillment.fulfillment_order`)
    const held = String(row?.['id'])
    await expect(forge('1', held, () => ({ columns: '', values: '' }))).rejects.toThrow('proven')

    const columns = ', proof_key_id, proof'
    const [honest] = await sealOne()
    const keyId = String(honest?.['proof_key_id'])
    const guessed = `, '${keyId}', decode(repeat('ab', 32), 'hex')`
    const borrowed = `, '${keyId}', '\\x${hex(honest?.['proof'])}'`
    const otherKey = (bytes: Buffer, key: string) => {
      const facts = { merchant: 'main', partner: 'shipco', dispatch: 'dsp_4', key, bytes }
      return `, '${keyId}', '\\x${sealProver(Buffer.alloc(32, 9)).prove(facts).mac.toString('hex')}'`
    }
    await forge('2', held, () => ({ columns, values: guessed }))
    await forge('3', held, () => ({ columns, values: borrowed }))
    await forge('4', held, (bytes, key) => ({ columns, values: otherKey(bytes, key) }))

    const worker = await house.startWorker()
    try {
      await vi.waitFor(
        async () => expect(await statesOf()).toEqual([...FORGED, 'accepted']),
        10_000,
      )
    } finally {
      await worker.stop()
    }
    expect((await house.ledger()).map((one) => one.fulfillment_id)).not.toContain(held)
    const codes = await house.query(
      `select distinct last_code, state from fulfillment.dispatch where provenance_id = 'x'
        and id <> 'dsp_1'`,
    )
    expect(codes).toEqual([{ last_code: 'seal_unproven', state: 'quarantined' }])
  })
})

const FORGED = ['quarantined', 'quarantined', 'quarantined']
const hex = (value: unknown): string => (Buffer.isBuffer(value) ? value.toString('hex') : '')

async function sealOne() {
  await house.handOver(record('ord_honest'))
  await sealBatch(house.context, 'shipco', house.deps)
  return house.query(`select proof_key_id, proof from fulfillment.sealed_body`)
}

async function statesOf(): Promise<readonly unknown[]> {
  const rows = await house.query(
    `select state from fulfillment.dispatch where id <> 'dsp_1' order by state desc`,
  )
  return rows.map((row) => row['state'])
}

describe('the proof of a seal', () => {
  const prover = sealProver(Buffer.alloc(32, 7))
  const key = idempotencyKey({
    merchant: 'main',
    partner: 'shipco',
    op: 'dispatch.create',
    batch: 'btc_1',
    revision: 1,
  })
  const facts: SealFacts = {
    merchant: 'main',
    partner: 'shipco',
    dispatch: 'dsp_1',
    key,
    bytes: Buffer.from('{}'),
  }
  const proof = prover.prove(facts)

  test('holds for what was sealed, also under the key before', () => {
    expect(prover.isProven(facts, proof)).toBe(true)
    const rotated = sealProver(Buffer.alloc(32, 8), Buffer.alloc(32, 7))
    expect(rotated.isProven(facts, proof)).toBe(true)
    expect(sealProver(Buffer.alloc(32, 8)).isProven(facts, proof)).toBe(false)
  })

  test.each<[string, Partial<SealFacts>]>([
    ['merchant', { merchant: 'other' }],
    ['partner', { partner: 'packlogic' }],
    ['dispatch', { dispatch: 'dsp_2' }],
    ['key', { key: `hfd1-${'a'.repeat(32)}` }],
    ['byte', { bytes: Buffer.from('[]') }],
  ])('fails for another %s', (_, over) => {
    expect(prover.isProven({ ...facts, ...over }, proof)).toBe(false)
  })

  test('is missing, cut or under an unknown key: never proven', () => {
    for (const bad of [
      { keyId: null, mac: null },
      { ...proof, mac: null },
      { ...proof, mac: proof.mac.subarray(0, 31) },
      { ...proof, keyId: 'sk_unknown' },
    ]) {
      expect(prover.isProven(facts, bad)).toBe(false)
    }
  })
})
