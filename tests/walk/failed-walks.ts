import { readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { failedWalk } from './walk-step.ts'
import type { FailedWalk } from './walk-step.ts'

const FILE = new URL('./failed-walks.json', import.meta.url)

/** Walks that failed once: each is taken again for ever. */
export function failedWalks(): readonly FailedWalk[] {
  return z.array(failedWalk).parse(JSON.parse(readFileSync(FILE, 'utf8')))
}

/** Makes a fixture of a walk that failed; one of the same seed and length stays as it is. */
export function keepFailedWalk(walk: FailedWalk): void {
  const all = failedWalks()
  const isKnown = all.some(
    (one) => one.seed === walk.seed && one.steps.length === walk.steps.length,
  )
  if (isKnown) return
  writeFileSync(FILE, `${JSON.stringify([...all, walk], undefined, 1)}\n`)
}
