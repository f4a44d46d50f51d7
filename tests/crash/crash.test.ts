import { describe, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { receiveHandOver } from '#fulfillment/receive/receive-hand-over.ts'
import { KEYS, opened, record } from '#fulfillment/warehouse.fixture.ts'
import { recordFigure } from '../record-figure.ts'
import { audit } from './audit.ts'
import type { Audit } from './audit.ts'
import { openCrashWorld, PARTNERS } from './crash-world.ts'
import type { CrashWorld } from './crash-world.ts'
import { NETWORK_FAULTS } from './tcp-fault-proxy.ts'

const seed = Number(process.env['CRASH_SEED'] ?? 20_260_207)
/** The short form runs in CI; `npm run test:crash` runs the long one. */
const DISPATCHES = Number(process.env['CRASH_DISPATCHES'] ?? 600)
const KILLS = Number(process.env['CRASH_KILLS'] ?? 60)
const DATABASE_CRASHES = Number(process.env['CRASH_RESTARTS'] ?? 2)
const HAND_OVER = 150
/** Dispatches under way at most: enough that the long form does not wait for the ones in doubt. */
const OPEN_MAX = Math.max(HAND_OVER, DISPATCHES / 20)
/** Kills of the driver, beside those that a dispatcher does to itself. */
const PAUSE_MS = 350
const SETTLED_MAX_MS = 5 * 60_000

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Hands over orders of every partner, each with one line. */
async function handOver(world: CrashWorld, from: number, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, index) => {
    const number = from + index
    const partner = PARTNERS[number % PARTNERS.length]?.id ?? ''
    const line = {
      line: 1,
      sku: `SKU-${number}`,
      qty: 1,
      allocations: [{ locationId: `loc-${partner}`, qty: 1 }],
    }
    return record(`ord_${String(number).padStart(6, '0')}`, { lines: [line] })
  })
  orThrow(await receiveHandOver(world.context, KEYS, opened(records)))
}

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((all, one) => all + one, 0)
const killsOf = (world: CrashWorld): number => sum(world.kills)

async function auditOf(world: CrashWorld): Promise<Audit> {
  // Our books first: what is accepted in them must be in a ledger that is read afterwards.
  const exported = await world.exported()
  return audit(await world.ledgers(), exported)
}

describe('real processes, real PostgreSQL, faulty wires', () => {
  test(`${DISPATCHES} dispatches under ${KILLS} SIGKILLs: 0 double, 0 lost`, async () => {
    const begunMs = performance.now()
    const world = await openCrashWorld({
      seed,
      dispatchers: 3,
      pointRate: 0.006,
      partnerBytesPerFault: 12_000,
      databaseBytesPerFault: 1_000_000,
    })
    try {
      let handed = 0
      let crashes = 0
      // The faults go on until nearly everything was sent under them.
      let settled = 0
      while (
        handed < DISPATCHES ||
        settled < DISPATCHES * 0.9 ||
        killsOf(world) < KILLS ||
        crashes < DATABASE_CRASHES
      ) {
        const counted = await world.settled().catch(() => undefined)
        settled = counted ?? settled
        if (handed < DISPATCHES && handed - settled < OPEN_MAX) {
          // The database may be coming back from a crash: then the next round hands over.
          const isDone = await handOver(world, handed, HAND_OVER).then(
            () => true,
            () => false,
          )
          if (isDone) handed += HAND_OVER
        }
        // The moments are random and no assertion rests on a clock.
        await pause(PAUSE_MS * (0.5 + world.random()))
        // Before the kills are paced, or it never comes where dispatchers kill themselves ahead of the work;
        // one at a time: the next waits until the database has answered again.
        if (
          counted !== undefined &&
          crashes < DATABASE_CRASHES &&
          killsOf(world) >= ((crashes + 1) * KILLS) / (DATABASE_CRASHES + 1)
        ) {
          await world.crashDatabase()
          crashes += 1
        }
        // Kills keep pace with the work, so that they fall into all of it.
        if (killsOf(world) > KILLS * (settled / DISPATCHES + 0.1)) continue
        if (world.random() < 0.25) world.stallOne(world.random() * 6_000)
        else world.killOne()
      }
      world.heal()
      const healedMs = performance.now()
      const found = await untilSettled(world)
      const report = {
        seed,
        ordered: found.ordered,
        kills: world.kills,
        seconds: Math.round((performance.now() - begunMs) / 1_000),
        settledAfterS: Math.round((performance.now() - healedMs) / 1_000),
        networkFaults: world.networkFaults(),
        databaseCrashes: crashes,
        accepted: found.accepted,
        workList: found.workList.length,
        double: found.double.length,
        lost: found.lost.length,
        // The rule of three: none in n means, with 95 % confidence, fewer than 3 in n.
        upperBound95: 3 / found.ordered,
      }
      recordFigure('crash', report)
      expect(found).toMatchObject({ double: [], lost: [], falselyAccepted: [], unknownToUs: [] })
      expect(found.pending).toEqual([])
      expect(found.ordered).toBeGreaterThanOrEqual(DISPATCHES)
      expect(killsOf(world)).toBeGreaterThanOrEqual(KILLS)
      const { partners, database } = report.networkFaults
      expect(sum(partners)).toBeGreaterThanOrEqual(DISPATCHES / 10)
      expect(NETWORK_FAULTS.filter((fault) => partners[fault] === 0)).toEqual([])
      // Before the database they are rarer: the short form meets some of them, the long one each.
      const missed = NETWORK_FAULTS.filter((fault) => database[fault] === 0)
      expect(missed.length).toBeLessThan(DISPATCHES < 10_000 ? NETWORK_FAULTS.length : 1)
    } finally {
      await world.close()
    }
  })
})

async function untilSettled(world: CrashWorld): Promise<Audit> {
  const untilMs = performance.now() + SETTLED_MAX_MS
  for (;;) {
    const found = await auditOf(world).catch(() => undefined)
    if (found !== undefined && (found.pending.length === 0 || performance.now() > untilMs))
      return found
    if (performance.now() > untilMs + SETTLED_MAX_MS)
      throw new Error('the database did not come back')
    await pause(500)
  }
}
