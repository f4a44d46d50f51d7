import { afterAll, beforeAll, expect, test } from 'vitest'
import pg from 'pg'
import { seededRandom } from '#kernel/index.ts'
import { many, withTransaction } from '#platform/index.ts'
import { settleByHand } from '#fulfillment/dispatch/resolve-dispatch.ts'
import {
  claimDue,
  claimUnknown,
  completeDispatches,
  expireLeases,
} from '#fulfillment/dispatch/dispatch-statements.ts'
import { stopNear } from '#fulfillment/promise/promise-statements.ts'
import { createTestDatabase } from '../database.ts'
import type { TestDatabase } from '../database.ts'
import { dispatchTable } from './dispatch-table.ts'
import type { Row } from './dispatch-table.ts'

let base: TestDatabase
let owner: pg.Client
beforeAll(async () => {
  base = await createTestDatabase()
  owner = new pg.Client({ connectionString: base.ownerUrl })
  await owner.connect()
  await owner.query(`insert into partners.partner (merchant_id, id, name, url, location_id)
    values ('main', 'shipco', 'ShipCo', 'http://127.0.0.1', 'loc')`)
  await owner.query(`insert into fulfillment.lane_handshake
    (merchant_id, partner_id, session, fence_epoch, asked_at, opened_at)
    values ('main', 'shipco', 'test', 1, now(), now())`)
})
afterAll(async () => {
  await owner.end()
  await base.drop()
})

const GATE = { session: 'test', wal: 0 }
const PARTNER = { merchant: 'main', partner: 'shipco' }
const OPS = 400

test('the model of the dispatch table does what the statements do', async () => {
  const random = seededRandom(20_260_207)
  const pick = <T>(of: readonly T[]): T | undefined => of[Math.floor(random() * of.length)]
  let nowMs = 0
  const table = dispatchTable(() => nowMs)
  let settled = 0
  let stopped = 0
  const tokens: { id: string; token: string; before: 'sending' | 'unknown' }[] = []
  let made = 0

  const steps: readonly (() => Promise<void>)[] = [
    async () => {
      made += 1
      const id = `dsp_${String(made).padStart(5, '0')}`
      // Around the border of four hours, which the minutes that pass then cross.
      const leftMinutes = random() < 0.3 ? null : 235 + Math.floor(random() * 8)
      const shipBy = leftMinutes === null ? null : nowMs + leftMinutes * 60_000 + 30_000
      table.insert({ id, key: keyOf(made), sequence: made, shipBy })
      await insert(id, made, leftMinutes)
    },
    async () => {
      // Minutes pass: the clock of the model goes on, the times of the rows go back.
      const minutes = 1 + Math.floor(random() * 3)
      nowMs += minutes * 60_000
      await owner.query(`update fulfillment.dispatch set
        next_attempt_at = next_attempt_at - interval '${minutes} minutes',
        lease_until = lease_until - interval '${minutes} minutes',
        intent_at = intent_at - interval '${minutes} minutes',
        first_attempt_at = first_attempt_at - interval '${minutes} minutes',
        absent_since = absent_since - interval '${minutes} minutes',
        ship_by = ship_by - interval '${minutes} minutes'`)
    },
    async () => {
      const claim = { concurrency: 3, limit: 2, token: `t${nowMs}_${made}_${tokens.length}` }
      const ours = table.claimDue({ ...claim, leaseMs: 90_000 })
      const theirs = await withTransaction(base.database, (tx) =>
        many(tx, claimDue, { ...PARTNER, ...GATE, ...claim, lease: 90 }),
      )
      expect(attemptsOf(theirs)).toEqual(attemptsOf(ours))
      for (const row of theirs) {
        expect(row.accepted_sequence).toBe(table.acceptedSequence())
        tokens.push({ id: row.id, token: claim.token, before: 'sending' })
      }
    },
    async () => {
      const token = `u${nowMs}_${tokens.length}`
      const ours = table.claimUnknown(2, token)
      const theirs = await withTransaction(base.database, (tx) =>
        many(tx, claimUnknown, { ...PARTNER, limit: 2, token }),
      )
      expect(attemptsOf(theirs)).toEqual(attemptsOf(ours))
      for (const row of theirs) tokens.push({ id: row.id, token, before: 'unknown' })
    },
    async () => {
      const ours = table.stopNear()
      const theirs = await withTransaction(base.database, (tx) => many(tx, stopNear, PARTNER))
      expect(attemptsOf(theirs)).toEqual(attemptsOf(ours))
      stopped += theirs.length
    },
    async () => {
      const ours = table.expireLeases('unknown')
      const theirs = await withTransaction(base.database, (tx) =>
        many(tx, expireLeases, { ...PARTNER, state: 'unknown' }),
      )
      expect(attemptsOf(theirs)).toEqual(attemptsOf(ours))
    },
    async () => {
      // Often a token that is not the newest: the fence must hold in both.
      const one = pick(tokens)
      if (!one) return
      const state = pick([
        'accepted',
        'queued',
        'unknown',
        'needs_operator',
        'quarantined',
      ] as const)
      if (!state) return
      const delayMs = Math.floor(random() * 4) * 60_000 + 30_000
      const isAbsent = random() < 0.3
      const isWritten = table.complete({ ...one, state, delayMs, code: 'x', isAbsent })
      const rows = await withTransaction(base.database, (tx) =>
        many(tx, completeDispatches, {
          merchant: 'main',
          ids: [one.id],
          tokens: [one.token],
          before: [one.before],
          states: [state],
          delays: [delayMs],
          codes: ['x'],
          absent: [isAbsent],
        }),
      )
      expect(rows.length > 0).toBe(isWritten)
      if (isWritten && state === 'accepted') settled += 1
    },
    async () => {
      const row = pick([...table.live.values()])
      if (!row) return
      const state = random() < 0.5 ? 'accepted' : 'queued'
      const isDone = table.settleByHand(row.id, state)
      const rows = await withTransaction(base.database, (tx) =>
        many(tx, settleByHand, { merchant: 'main', id: row.id, state }),
      )
      expect(rows.length > 0).toBe(isDone)
      if (isDone && state === 'accepted') settled += 1
    },
  ]
  for (let op = 0; op < OPS; op += 1) {
    nowMs += 1
    await (pick(steps) ?? steps[0])?.()
    expect(await statesOf()).toEqual(modelStates(table.live))
  }
  expect(made).toBeGreaterThan(20)
  expect(settled).toBeGreaterThan(5)
  expect(stopped).toBeGreaterThan(1)
})

const attemptsOf = (rows: readonly { readonly id: string; readonly attempt: number }[]) =>
  new Map(rows.map((row) => [row.id, row.attempt]))

const keyOf = (number: number): string =>
  `hfd1-${String(number)
    .padStart(32, 'a')
    .replaceAll(/[0-9]/g, (digit) => 'abcdefghij'[Number(digit)] ?? 'a')}`

async function insert(id: string, number: number, leftMinutes: number | null): Promise<void> {
  const digest = `decode(lpad(to_hex(${number}), 64, '0'), 'hex')`
  await owner.query(`insert into fulfillment.batch (merchant_id, id, partner_id, orders, provenance_id)
    values ('main', 'btc_${number}', 'shipco', 1, 'x')`)
  await owner.query(`insert into fulfillment.dispatch (merchant_id, id, partner_id, batch_id, revision,
    key, content_sha256, sequence, fence_epoch, provenance_id, ship_by)
    values ('main', '${id}', 'shipco', 'btc_${number}', 1, '${keyOf(number)}', ${digest}, ${number}, 1, 'x',
      ${leftMinutes === null ? 'null' : `now() + interval '${leftMinutes} minutes 30 seconds'`})`)
  await owner.query(`insert into fulfillment.sealed_body
    (merchant_id, dispatch_id, bytes, proof_key_id, proof)
    values ('main', '${id}', '', 'sk', ${digest})`)
}

async function statesOf(): Promise<readonly string[]> {
  const { rows } = await owner.query<{ text: string }>(
    `select concat_ws(' ', id, state, attempt, coalesce(lease_token, '-'), absent_since is not null)
       as text from fulfillment.dispatch where state not in ('accepted', 'rejected') order by id`,
  )
  return rows.map((row) => row.text)
}

function modelStates(live: ReadonlyMap<string, Row>): readonly string[] {
  return [...live.values()]
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((row) => {
      const isAbsent = row.absentSince === null ? 'f' : 't'
      return `${row.id} ${row.state} ${row.attempt} ${row.token ?? '-'} ${isAbsent}`
    })
}
