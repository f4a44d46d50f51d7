import { readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import type { SimulationPlan } from './simulation-report.ts'

const FILE = new URL('./failed-seeds.json', import.meta.url)

const failed = z.array(
  z.object({
    test: z.enum(['rules', 'restore']),
    plan: z.object({
      seed: z.number(),
      grade: z.enum(['A', 'B', 'C', 'D']),
      dispatches: z.number(),
      hours: z.number(),
      restoreEveryHours: z.number(),
      recalls: z.number().default(0),
    }),
    note: z.string(),
  }),
)
type Failed = z.output<typeof failed>[number]

const read = (): readonly Failed[] => failed.parse(JSON.parse(readFileSync(FILE, 'utf8')))

/** Plans that once failed: each is run for ever, in the size in which it failed. */
export function failedPlans(of: Failed['test'], grade: string): readonly SimulationPlan[] {
  return read()
    .filter((one) => one.test === of && one.plan.grade === grade)
    .map((one) => one.plan)
}

/** Makes a fixture of a plan that failed, with what it did; one that is there stays as it is. */
export function keepFailedPlan(of: Failed['test'], plan: SimulationPlan, note: string): void {
  const { seed, grade, dispatches, hours, restoreEveryHours = 0, recalls = 0 } = plan
  const all = read()
  const isKnown = all.some(
    (one) => one.test === of && one.plan.seed === seed && one.plan.grade === grade,
  )
  if (isKnown) return
  const one: Failed = {
    test: of,
    plan: { seed, grade, dispatches, hours, restoreEveryHours, recalls },
    note,
  }
  writeFileSync(FILE, `${JSON.stringify([...all, one], null, 2)}\n`)
}
