import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { failedWalks, keepFailedWalk } from './failed-walks.ts'
import { takeWalk } from './take-walk.ts'
import type { WalkReport } from './take-walk.ts'
import { WEIGHTS } from './walk-step.ts'
import type { WalkStep, WalkVerb } from './walk-step.ts'

/** The short form runs in CI; `npm run test:walk` takes the long one. */
const STEPS = Number(process.env['WALK_STEPS'] ?? 600)
const SEED = Number(process.env['WALK_SEED'] ?? 20_261_201)
/** Restarts, stalls, copies and restores in one walk of 600 steps; each costs seconds. */
const RARE_STEPS = 20
/** Steps that one platform takes: a failing walk is replayed from its beginning. */
const WALK_STEPS_MAX = 600

const numbers = { pick: fc.nat(10_000), how: fc.nat(10_000) }
const stepOf = (verb: WalkVerb): fc.Arbitrary<WalkStep> =>
  fc.record({ verb: fc.constant(verb), ...numbers })
const step: fc.Arbitrary<WalkStep> = fc.oneof(
  ...Object.entries(WEIGHTS).map(([verb, weight]) => ({
    weight,
    arbitrary: stepOf(isVerb(verb) ? verb : 'place'),
  })),
)

function isVerb(verb: string): verb is WalkVerb {
  return verb in WEIGHTS
}

/** The steps of a seed: the same for ever. */
const stepsOf = (seed: number, count: number): readonly WalkStep[] =>
  fc.sample(step, { seed, numRuns: count })

async function walk(seed: number, steps: readonly WalkStep[]): Promise<WalkReport> {
  const done: WalkStep[] = []
  try {
    return await takeWalk(steps, { rareStepsMax: RARE_STEPS, onStep: (one) => void done.push(one) })
  } catch (fault) {
    keepFailedWalk({ seed, note: String(fault).slice(0, 300), steps: done })
    const again = `WALK_SEED=${seed} WALK_STEPS=${steps.length} npm run test:walk`
    throw new Error(`${String(fault)}\nAgain: ${again}`, { cause: fault })
  }
}

describe('any order of public verbs', () => {
  test.each(failedWalks())('the walk of seed $seed, which failed once', async ({ steps }) => {
    await expect(takeWalk(steps, { rareStepsMax: RARE_STEPS })).resolves.toBeDefined()
  })

  const walks = Math.ceil(STEPS / WALK_STEPS_MAX)
  test.each(Array.from({ length: walks }, (_, index) => SEED + index))(
    'seed %i: each step has its effect or its named refusal, and the books are equal',
    async (seed) => {
      const report = await walk(seed, stepsOf(seed, Math.min(STEPS, WALK_STEPS_MAX)))
      console.info(`walk of seed ${seed}: ${JSON.stringify(report)}`)
      expect(report.steps).toBeGreaterThan(0)
      // A verb that is never taken proves nothing; a short walk need not meet them all.
      const isLong = STEPS >= WALK_STEPS_MAX
      const drawn = Object.entries(WEIGHTS).filter(([, weight]) => isLong && weight > 0)
      const missing = drawn.map(([verb]) => verb).filter((verb) => !(verb in report.taken))
      expect(missing).toEqual([])
    },
  )
})
