import { z } from 'zod'

/** Every verb that the walk may take, with how often it is drawn beside the others. */
export const WEIGHTS = {
  place: 12,
  repeat: 4,
  decide: 6,
  cancel: 3,
  amend: 2,
  recall: 2,
  return: 3,
  count: 2,
  fault: 3,
  pause: 2,
  rotate: 1,
  flag: 2,
  restart: 1,
  stall: 1,
  // Not drawn yet: what the shop sends again after a restore waits for a person to close it.
  copy: 0,
  restore: 0,
} as const

/** A verb of the walk. */
export type WalkVerb = keyof typeof WEIGHTS

const VERBS = Object.keys(WEIGHTS).filter((one): one is WalkVerb => one in WEIGHTS)

/** One step: a verb and two numbers that choose what it acts on and how. */
export const walkStep = z.object({
  verb: z.enum(VERBS),
  pick: z.number().int().min(0),
  how: z.number().int().min(0),
})
export type WalkStep = z.output<typeof walkStep>

/** A walk that failed once, as a fixture. */
export const failedWalk = z.object({
  seed: z.number(),
  note: z.string(),
  steps: z.array(walkStep),
})
export type FailedWalk = z.output<typeof failedWalk>
