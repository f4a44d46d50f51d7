import type { Shutdown } from '#platform/index.ts'
import { compareWorlds } from './incident/compare-worlds.ts'
import { DEFAULT_SEED } from './incident/parameters.ts'
import { runIncident } from './incident/run-incident.ts'

/** What a scenario found: the same facts as JSON and as text, and whether the product failed in it. */
export type LabAnswer = {
  readonly json: unknown
  readonly text: string
  readonly isBad: boolean
}

/** A scenario of the lab. */
export type Scenario = {
  readonly name: string
  readonly summary: string
  /** The seed where none is given. */
  readonly seed: number
  readonly run: (
    options: { readonly seed: number; readonly say: (line: string) => void },
    shutdown: Shutdown,
  ) => Promise<LabAnswer>
}

/** Every scenario, by the name that `holdfast lab run` takes. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'incident-2026-02-07',
    summary:
      'a field lost in transport, timestamp keys and blind retries: a world without guards, and ours',
    seed: DEFAULT_SEED,
    run: async (options, shutdown) => compareWorlds(await runIncident(options, shutdown)),
  },
]
