import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { findPartner } from '#partners/index.ts'
import type { ProbeCause } from '#partners/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import { silentLog } from '../../../tests/database.ts'
import { termsOf } from '../dispatch/partner-terms.ts'
import { openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { measurePartner } from './measure-partner.ts'
import type { Measurement } from './measure-partner.ts'
import { probePartner } from './probe-partner.ts'
import { startCanaries } from './run-canaries.ts'

let house: Warehouse
const loud: string[] = []
beforeAll(async () => {
  const log = { ...silentLog, error: (_: object, message: string) => void loud.push(message) }
  house = await openWarehouse({ isDeaf: true, log })
})
afterAll(() => house.stop())
afterEach(async () => {
  await house.faults([])
  await house.profile({ grade: 'A' })
  // The partner has changed hands, as it were: what it knew before is not asked for again.
  await house.asOwner(`delete from partners.conformance`)
  await house.asOwner(`update partners.partner set probe_due_at = null, grade = 'A'`)
  loud.length = 0
})

const deps = () => ({ ...house.deps, lookupWaitMaxMs: 2_000 })
const probe = async (cause: ProbeCause = 'operator') =>
  orThrow(await probePartner(deps(), { partner: 'shipco', cause, actor: 'person:ada' }))
const failed = ({ checks }: Measurement): readonly string[] =>
  checks.filter((one) => one.outcome === 'failed').map((one) => one.name)
const partner = async () => {
  const found = await findPartner(house.context.database, 'main', 'shipco')
  return { ...found, terms: found ? termsOf(found) : undefined }
}

test('a partner that does everything is measured as A, and nothing ships by it', async () => {
  await house.regrade('D')
  const report = await probe()
  expect(report).toMatchObject({ before: 'D', after: 'A', isComplete: true, lookupLagMs: 0 })
  expect(failed(report)).toEqual([])
  expect(await house.ledger()).toEqual([])
  expect(await house.query(`select * from fulfillment.dispatch`)).toEqual([])
  expect(await partner()).toMatchObject({ grade: 'A', gradedAt: expect.any(Date) })
})

test.each([
  [{ grade: 'B' }, 'B', ['tombstone', 'manifest', 'keys_for_ever']],
  [{ grade: 'A', key_ttl_ms: 3_600_000 }, 'C', ['keys_for_ever']],
  [{ grade: 'A', tombstones: false }, 'B', ['tombstone']],
  [
    { grade: 'C', lookup_lag_ms: 150 },
    'C',
    ['read_your_writes', 'same_key', 'changed_body', 'live_order', 'tombstone'],
  ],
])('%o is measured as %s', async (profile, grade, missing) => {
  await house.profile(profile)
  const report = await probe()
  expect(failed(report)).toEqual(missing)
  expect(report).toMatchObject({ grade, after: grade, isComplete: true })
})

test('a tombstone that does not hold is none', async () => {
  // The eighth create of a probe is the one that was recalled before.
  const match = { path: '/holdfast/v1/dispatches', method: 'POST', nth: 8 }
  await house.faults([{ match, fault: 'no_dedupe' }])
  const report = await probe()
  expect(failed(report)).toEqual(['tombstone'])
  expect(report.after).toBe('B')
})

test('grade D is what cannot be asked', async () => {
  await house.profile({ grade: 'D' })
  const report = await probe()
  expect(report.after).toBe('D')
  expect(failed(report)).toContain('lookup')
})

test('what was measured is what the protocol relies on', async () => {
  await house.profile({ grade: 'B', key_ttl_ms: 172_800_000 })
  await probe()
  expect((await partner()).terms).toMatchObject({ grade: 'B', keyTtlMs: 172_800_000 })
  await house.profile({ grade: 'C', processing_delay_ms: 1_000, lookup_lag_ms: 100 })
  const report = await probe()
  expect(report.processingDelayS).toBe(1)
  expect(report.lookupLagMs).toBeGreaterThanOrEqual(1_000)
  expect((await partner()).terms?.processingDelayMs).toBe(Math.max(1_000, report.lookupLagMs ?? 0))
})

test('a canary that fails lowers the grade by itself, loudly, and never raises it', async () => {
  await probe()
  await house.faults([{ match: {}, fault: 'no_dedupe' }])
  expect(await probe('canary')).toMatchObject({ before: 'A', after: 'C' })
  expect(loud).toEqual(['partner shipco fell from grade A to C'])
  const said = await house.query(
    `select data->>'grade' as grade, data->>'cause' as cause from platform.event
      where kind = 'partner.graded' and subject_id = 'shipco' order by id desc limit 1`,
  )
  expect(said).toEqual([{ grade: 'C', cause: 'canary' }])
  const audit = await house.query(
    `select before->>'grade' as "from", after->>'grade' as "to" from platform.audit
      where action = 'partner.grade' order by id desc limit 1`,
  )
  expect(audit).toEqual([{ from: 'A', to: 'C' }])
  await house.faults([])
  expect(await probe('canary')).toMatchObject({ grade: 'A', after: 'C' })
  expect(await probe()).toMatchObject({ grade: 'A', after: 'A' })
})

test('a partner that forgets the key of an earlier probe is no better than C', async () => {
  expect((await probe()).isKeyKept).toBe(undefined)
  expect((await probe('canary')).isKeyKept).toBe(true)
  await house.faults([{ match: { method: 'GET', nth: 1 }, fault: 'partner_restore', value: 99 }])
  const report = await probe('canary')
  expect(failed(report)).toEqual(['key_kept'])
  expect(report).toMatchObject({ before: 'A', after: 'C', isKeyKept: false })
  // What it had forgotten is not asked for again; what it learns from now on is.
  expect(await probe()).toMatchObject({ after: 'A', isKeyKept: undefined })
  expect(await probe('canary')).toMatchObject({ after: 'A', isKeyKept: true })
})

test('an outage proves nothing: no grade falls, none rises', async () => {
  await house.faults([{ match: {}, fault: 'status', value: 503, retry_after: 1 }])
  expect(await probe('canary')).toMatchObject({ isComplete: false, before: 'A', after: 'A' })
  expect(loud).toEqual(['a probe had no answer to some of its checks'])
  await house.regrade('D')
  await house.faults([{ match: { method: 'POST' }, fault: 'reset' }])
  expect(await probe()).toMatchObject({ isComplete: false, before: 'D', after: 'D' })
  const due = await house.query(
    `select probe_due_at < now() + interval '2 hours' as is_soon from partners.partner`,
  )
  expect(due).toEqual([{ is_soon: true }])
})

test('an endpoint that is sent a secret it does not know is of grade D', async () => {
  const measured = await measurePartner(
    { outbound: house.deps.outbound, clock: house.context.clock },
    {
      identity: { merchant: 'main', partner: 'shipco' },
      target: { partner: { url: house.url, allowPrivate: true }, secrets: [newWebhookSecret()] },
      kept: [],
    },
  )
  expect(measured).toMatchObject({ grade: 'D', isComplete: true })
})

test('a due canary runs once, whoever looks for it, and is due again a day later', async () => {
  await house.asOwner(`update partners.partner set probe_due_at = now() - interval '1 second'`)
  const canaries = [1, 2, 3].map(() => startCanaries(deps(), 20))
  try {
    await vi.waitFor(async () =>
      expect(
        await house.query(`select cause, actor, grade_after from partners.conformance`),
      ).toEqual([{ cause: 'canary', actor: 'service:canary', grade_after: 'A' }]),
    )
  } finally {
    await Promise.all(canaries.map((one) => one.stop()))
  }
  expect(await house.query(`select count(*)::int as n from partners.conformance`)).toEqual([
    { n: 1 },
  ])
  const due = await house.query(
    `select probe_due_at > now() + interval '23 hours' as is_late from partners.partner`,
  )
  expect(due).toEqual([{ is_late: true }])
})

test('a probe takes no sequence and disturbs no dispatch', async () => {
  await house.handOver(record('ord_probe_1'))
  const worker = await house.startWorker()
  try {
    await probe()
    await vi.waitFor(async () => expect(await house.ledger()).toHaveLength(1), 20_000)
    await probe()
    await house.handOver(record('ord_probe_2'))
    await vi.waitFor(async () => expect(await house.ledger()).toHaveLength(2), 20_000)
  } finally {
    await worker.stop()
  }
  const rows = await house.query(
    `select sequence::int as sequence, state from fulfillment.dispatch order by sequence`,
  )
  expect(rows).toEqual([
    { sequence: 1, state: 'accepted' },
    { sequence: 2, state: 'accepted' },
  ])
})

test('a partner that nobody registered is refused', async () => {
  const asked = { partner: 'nobody', cause: 'operator', actor: 'person:ada' } as const
  expect(await probePartner(deps(), asked)).toMatchObject({ refusal: { code: 'partner_unknown' } })
})
