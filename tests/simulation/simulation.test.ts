import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { PartnerGrade } from '#partners/index.ts'
import { recordFigure } from '../record-figure.ts'
import { runSimulation } from './run-simulation.ts'
import type { SimulationPlan, SimulationReport } from './run-simulation.ts'

const GRADES = ['A', 'B', 'C', 'D'] as const
/** Dispatches of one seed, over this many simulated hours: small enough to be run again by itself. */
const CHUNK = 12_500
const CHUNK_HOURS = 600
/** 10^6 dispatches and 48,000 hours over the four grades; `npm run soak` raises it. */
const PER_GRADE = Number(process.env['SIMULATION_DISPATCHES'] ?? 250_000)
const ONLY_SEED = process.env['SIMULATION_SEED']
const FIRST_SEED = 20_260_207

// Seeds that once failed are run for ever.
const fixtures = z
  .array(z.object({ seed: z.number(), grade: z.enum(GRADES), note: z.string() }))
  .parse(JSON.parse(readFileSync(new URL('./failed-seeds.json', import.meta.url), 'utf8')))

const planOf = (seed: number, grade: PartnerGrade): SimulationPlan => ({
  seed,
  grade,
  dispatches: CHUNK,
  hours: CHUNK_HOURS,
})
const seedsOf = (grade: PartnerGrade): readonly number[] => {
  if (ONLY_SEED !== undefined) return [Number(ONLY_SEED)]
  const fixed = fixtures.filter((one) => one.grade === grade).map((one) => one.seed)
  const count = Math.max(1, Math.ceil(PER_GRADE / CHUNK))
  return [...fixed, ...Array.from({ length: count }, (_, index) => FIRST_SEED + index)]
}
const harmOf = (report: SimulationReport) => ({
  doubles: report.doubles,
  lost: report.lost,
  falselyAccepted: report.falselyAccepted,
})
const NO_HARM = { doubles: 0, lost: 0, falselyAccepted: 0 }

describe('the rules of dispatch under virtual time', () => {
  test.each(GRADES)(
    'class %s: never twice, never lost, whatever the network, the partner and the processes do',
    (grade) => {
      const sum = { dispatches: 0, hours: 0, byHand: 0, byHandShipped: 0, sends: 0, crashes: 0 }
      for (const seed of seedsOf(grade)) {
        const report = runSimulation(planOf(seed, grade))
        for (const key of [
          'dispatches',
          'hours',
          'byHand',
          'byHandShipped',
          'sends',
          'crashes',
        ] as const)
          sum[key] += report[key]
        const again = `SIMULATION_SEED=${seed} npm run test:simulation -- -t 'class ${grade}'`
        expect({ again, ...harmOf(report) }).toEqual({ again, ...NO_HARM })
      }
      // The rule of three: none in n means, with 95 % confidence, fewer than 3 in n.
      const upperBound95 = 3 / sum.dispatches
      const seeds = `${FIRST_SEED} and on`
      recordFigure('simulation', { grade, seeds, ...sum, double: 0, lost: 0, upperBound95 })
      expect(sum.dispatches).toBeGreaterThanOrEqual(Math.min(PER_GRADE, CHUNK))
    },
  )

  test('the same seed gives the same report', () => {
    const plan = { ...planOf(7, 'C'), dispatches: 2_000, hours: 96 }
    expect(runSimulation(plan)).toEqual(runSimulation(plan))
  })

  test('where stalls and ghosts outlive the settle window, class C does ship twice: the judge sees it', () => {
    const late = { ghost: 0.05, ghostMaxMs: 6 * 3_600_000 }
    const report = runSimulation({ ...planOf(1, 'C'), faults: late })
    expect(report.doubles).toBeGreaterThan(0)
    expect(runSimulation({ ...planOf(1, 'A'), faults: late })).toMatchObject(NO_HARM)
  })
})

describe('a partner that restores an old backup', () => {
  test('is found out by its sequence: its lane is frozen, and what is sent twice is counted', () => {
    const sum = { restores: 0, frozen: 0, doubles: 0, lost: 0, dispatches: 0 }
    for (let seed = 1; seed <= 8; seed += 1) {
      const report = runSimulation({ ...planOf(seed, 'A'), restoreEveryHours: 100 })
      for (const key of ['restores', 'frozen', 'doubles', 'lost', 'dispatches'] as const)
        sum[key] += report[key]
    }
    recordFigure('restored backups', { grade: 'A', seeds: '1 to 8', ...sum })
    expect(sum.frozen).toBeGreaterThanOrEqual(sum.restores)
    expect(sum.lost).toBe(0)
    // Without the sequence every forgotten unknown is sent again: the freeze keeps it to the newest.
    expect(sum.doubles).toBeLessThanOrEqual(sum.restores / 4)
  })
})
