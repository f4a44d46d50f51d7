import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { addLocation } from '#inventory/index.ts'
import { registerPartner } from '#partners/index.ts'
import { withTransaction } from '#platform/index.ts'
import type { HandOverRecord } from '#wire/index.ts'
import { placeHold } from '../hold/change-holds.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { KEYS, MASTER_KEY, opened, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { receiveHandOver } from './receive-hand-over.ts'

let house: Warehouse
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  const where = { id: 'packlogic', url: 'https://packlogic.example', actor: 'test' }
  orThrow(await registerPartner(house.context, MASTER_KEY, where))
  await withTransaction(house.test.database, (tx) =>
    addLocation(tx, 'main', { id: 'loc-packlogic', name: 'PackLogic' }),
  )
})
afterAll(() => house.stop())

const receive = (...records: readonly HandOverRecord[]) =>
  receiveHandOver(house.context, KEYS, opened(records))
const rowsAbout = (order: string) =>
  house.query(
    `select (select jsonb_agg(jsonb_build_array(number, id, verdict, reasons, revision)
                              order by number)
               from fulfillment.decision where order_id = '${order}') as decisions,
            (select jsonb_agg(jsonb_build_array(revision, partner_id, state, lines)
                              order by revision, partner_id)
               from fulfillment.fulfillment_order where order_id = '${order}') as parts,
            (select jsonb_agg(lines order by revision)
               from fulfillment.received_order where order_id = '${order}') as contents`,
  )
const statesOf = async (order: string) => {
  const rows = await house.query(
    `select state from fulfillment.fulfillment_order where order_id = '${order}' order by revision`,
  )
  return rows.map((row) => row['state'])
}
const refused = (code: string) => ({ ok: false, refusal: { code } })
const asideOf = async (order: string) => {
  const rows = await house.query(
    `select kind from fulfillment.set_aside where order_id = '${order}' order by id`,
  )
  return rows.map((row) => row['kind'])
}
/** The record as an earlier build repeats it after the goods have left: nothing is reserved any more. */
const afterLeaving = (one: HandOverRecord): HandOverRecord => ({
  ...one,
  lines: one.lines.map((line) => ({ ...line, allocations: [] })),
})
const LINES = [
  { line: 1, sku: 'A', qty: 1, allocations: [{ locationId: 'loc-packlogic', qty: 1 }] },
]

describe('a decision that is known', () => {
  test.each(['clear', 'hold'] as const)(
    'is answered whatever else its record says, a %s, and changes nothing',
    async (verdict) => {
      const order = `ord_known_${verdict}`
      const one = record(order, { verdict })
      const first = await receive(one)
      const before = await rowsAbout(order)
      const wrong: readonly HandOverRecord[] = [
        afterLeaving(one),
        { ...one, shipTo: { name: 'Eve', country: 'GB' } },
        { ...one, currency: '', orderNumber: '', effectiveAtMs: 0 },
        { ...one, lines: LINES.map((line) => ({ ...line, qty: 1_000_000 })) },
        { ...one, shipByMs: null },
      ]
      for (const again of wrong) {
        const { holds, clears } = orThrow(await receive(again))
        expect({ holds, clears }).toMatchObject(
          verdict === 'hold' ? { holds: 1, clears: 0 } : { holds: 0, clears: 1 },
        )
        expect(await rowsAbout(order)).toEqual(before)
      }
      expect(first.ok).toBe(true)
    },
  )

  test('is answered among new ones, and only the new ones are taken', async () => {
    const old = record('ord_mix_old')
    await receive(old)
    const outcome = await receive(
      afterLeaving(old),
      record('ord_mix_new'),
      record('ord_mix_held', { verdict: 'hold' }),
    )
    expect(outcome).toMatchObject({ ok: true, value: { records: 3, clears: 2, holds: 1 } })
    expect(await statesOf('ord_mix_new')).toEqual(['open'])
  })

  test('excuses no other record of its batch: that is refused, and named by its place', async () => {
    const old = record('ord_excuse_old')
    await receive(old)
    const outcome = await receive(
      afterLeaving(old),
      record('ord_excuse_fine'),
      afterLeaving(record('ord_excuse_bad')),
      afterLeaving(record('ord_excuse_worse')),
    )
    expect(outcome).toMatchObject({
      ok: false,
      refusal: {
        code: 'payload_malformed',
        field: 'records[2].lines[0].allocations',
        meta: { records: [2, 3] },
      },
    })
    expect(await rowsAbout('ord_excuse_fine')).toMatchObject([{ decisions: null }])
  })

  test('is not one with the same id and another certificate or verdict', async () => {
    const one = record('ord_twin')
    await receive(one)
    const before = await rowsAbout('ord_twin')
    for (const forged of [
      { ...one, approval: Buffer.alloc(32, 9) },
      { ...one, approval: new Uint8Array() },
      record('ord_twin', { verdict: 'hold' }),
      { ...one, verdict: 'unspecified' as const },
    ]) {
      expect(await receive(forged)).toMatchObject(refused('handover_conflict'))
    }
    expect(await rowsAbout('ord_twin')).toEqual(before)
  })
})

test('a HOLD that nobody knows ends although its allocations are gone: the content stands here', async () => {
  await receive(record('ord_late_hold'))
  const late = record('ord_late_hold', { decisionNumber: 2, verdict: 'hold', unsigned: true })
  expect(await receive(afterLeaving(late))).toMatchObject({ ok: true, value: { holds: 1 } })
  expect(await statesOf('ord_late_hold')).toEqual(['held'])
})

test('a CLEAR whose allocations do not add up is never believed, whatever its certificate', async () => {
  await receive(record('ord_late_clear', { verdict: 'hold' }))
  const lines = [{ line: 1, sku: 'A', qty: 1, allocations: [] }]
  const late = record('ord_late_clear', { decisionNumber: 2, lines })
  expect(await receive(late)).toMatchObject({ ok: true, value: { holds: 1, clears: 0 } })
  expect(await statesOf('ord_late_clear')).toEqual(['held'])
})

describe('what no certificate proves gives way to the certified decision of its number:', () => {
  test.each<[string, (order: string) => HandOverRecord]>([
    ['a CLEAR without certificate', (order) => record(order, { unsigned: true })],
    ['another id', (order) => ({ ...record(order), decisionId: 'rvd_forged' })],
    ['a verdict that was lost', (order) => ({ ...record(order), verdict: 'unspecified' })],
    [
      'a CLEAR turned into a HOLD',
      (order) => ({ ...record(order), verdict: 'hold', reasons: ['value'] }),
    ],
    ['another time', (order) => ({ ...record(order), effectiveAtMs: Date.now() - 500_000 })],
    ['another order number', (order) => ({ ...record(order), orderNumber: 'N-forged' })],
    [
      'another place',
      (order) => ({ ...record(order, { lines: LINES }), approval: Buffer.alloc(32) }),
    ],
    [
      'another address, digested again',
      (order) => ({
        ...record(order, { shipTo: { name: 'Eve', country: 'GB' } }),
        approval: Buffer.alloc(32),
      }),
    ],
    ['another promise', (order) => ({ ...record(order), shipByMs: null })],
    ['another revision', (order) => ({ ...record(order), revision: 2 })],
    ['another key', (order) => ({ ...record(order), keyId: 'rk_forged' })],
  ])('%s', async (name, forge) => {
    const order = `ord_way_${name.replaceAll(/\W/g, '_')}`
    const forged = await receive(forge(order))
    expect(forged).toMatchObject({ ok: true, value: { holds: 1, clears: 0 } })
    expect(await statesOf(order)).toEqual(['held'])
    expect(await receive(record(order))).toMatchObject({ ok: true, value: { clears: 1 } })
    expect(await statesOf(order)).toEqual(['open'])
    expect(await asideOf(order)).toContain('decision')
    const audit = await house.query(
      `select actor from platform.audit
        where subject_id = '${order}' and action = 'fulfillment.replace_unproven'`,
    )
    expect(audit).toEqual([{ actor: 'hand-over' }])
    // It ships as it was certified: the seal proves the content that stands here now.
    await sealBatch(house.context, 'shipco', house.deps)
    expect(await statesOf(order)).toEqual(['sealed'])
  })

  test('a HOLD that was forged, by the HOLD that was decided, its address included', async () => {
    const true_hold = record('ord_way_hold', { verdict: 'hold' })
    const shipTo = { name: 'Eve', country: 'GB' }
    const eve = record('ord_way_hold', { shipTo, verdict: 'hold', decisionId: 'rvd_eve' })
    await receive({ ...eve, approval: new Uint8Array() })
    expect(await receive(true_hold)).toMatchObject({ ok: true, value: { holds: 1 } })
    await receive(record('ord_way_hold', { decisionNumber: 2 }))
    expect(await statesOf('ord_way_hold')).toEqual(['open'])
    expect(await asideOf('ord_way_hold')).toEqual(['content', 'decision'])
  })

  test('a number that was never given, once somebody decides under it', async () => {
    const one = record('ord_way_number')
    await receive({ ...one, decisionNumber: 2, decisionId: 'rvd_forged' })
    await receive(one)
    expect(await statesOf('ord_way_number')).toEqual(['held'])
    await receive(record('ord_way_number', { decisionNumber: 2 }))
    expect(await statesOf('ord_way_number')).toEqual(['open'])
  })
})

describe('nothing else gives way:', () => {
  test('a certified HOLD to a CLEAR with a certificate, under its number', async () => {
    await receive(record('ord_stay_hold', { verdict: 'hold' }))
    const outcome = await receive(record('ord_stay_hold', { decisionId: 'rvd_other' }))
    expect(outcome).toMatchObject(refused('handover_conflict'))
    expect(await statesOf('ord_stay_hold')).toEqual(['held'])
  })

  test('a person’s HOLD of an older sender to a decision of another id', async () => {
    const hold = { verdict: 'hold', reasons: ['reviewer'], unsigned: true } as const
    await receive(record('ord_stay_person', hold))
    const outcome = await receive(record('ord_stay_person', { decisionId: 'rvd_other' }))
    expect(outcome).toMatchObject(refused('handover_conflict'))
    expect(await rowsAbout('ord_stay_person')).toMatchObject([
      { decisions: [[1, 'rvd_ord_stay_person_1', 'hold', ['reviewer'], 1]] },
    ])
  })

  test('an unproven decision to another that is not proven', async () => {
    await receive(record('ord_stay_forged', { forged: true }))
    const other = record('ord_stay_forged', { forged: true, decisionId: 'rvd_other' })
    expect(await receive(other)).toMatchObject(refused('handover_conflict'))
  })

  test('content that a person holds, until that person lets go of it', async () => {
    await receive({ ...record('ord_stay_op', { lines: LINES }), approval: Buffer.alloc(32) })
    const [row] = await house.query(
      `select id from fulfillment.fulfillment_order where order_id = 'ord_stay_op'`,
    )
    const by = { fulfillment: String(row?.['id']), actor: 'person:ada', reason: 'why there?' }
    orThrow(await placeHold(house.context, by))
    await receive(record('ord_stay_op'))
    expect(await asideOf('ord_stay_op')).not.toContain('content')
    expect(await statesOf('ord_stay_op')).toEqual(['held'])
  })

  test('in the database, whoever calls it: proven, or without a certificate', async () => {
    await receive(record('ord_stay_db'), record('ord_stay_db2', { forged: true }))
    const replace = (order: string, approval: string) =>
      house.query(
        `select fulfillment.replace_unproven_decision('main', 'asd_x', '${order}', 1, 'rvd_x', 'clear',
           '{}', 1, decode(repeat('00', 32), 'hex'), 'rk', ${approval}, now(), 'hov_x') as done`,
      )
    const some = `decode(repeat('00', 32), 'hex')`
    expect(await replace('ord_stay_db', some)).toEqual([{ done: false }])
    expect(await replace('ord_stay_db2', 'null')).toEqual([{ done: false }])
    expect(await replace('ord_stay_db2', `'\\x00'::bytea`)).toEqual([{ done: false }])
    const aside = await house.query(
      `select fulfillment.set_aside_unproven_content('main', 'asd_y', 'ord_stay_db', 1, 'hov_x') as done`,
    )
    expect(aside).toEqual([{ done: false }])
    for (const change of [
      `update fulfillment.decision set verdict = 'clear'`,
      `delete from fulfillment.received_order`,
      `delete from fulfillment.set_aside`,
      `delete from fulfillment.fulfillment_order`,
    ]) {
      await expect(house.query(change)).rejects.toThrow('permission denied')
    }
  })
})
