import { createShutdown, silentLog } from '#platform/index.ts'
import type { Shutdown } from '#platform/index.ts'
import { openGround } from '../ground.ts'
import { LAB_STOP_MAX_MS } from '../stop-time.ts'
import { runHoldfast } from '../holdfast/run-holdfast.ts'
import type { HoldfastRun } from '../holdfast/run-holdfast.ts'
import { runUnguarded } from '../unguarded/run-unguarded.ts'
import type { Figures } from './figures.ts'
import { makeShop } from './make-shop.ts'
import { CALIBRATED } from './parameters.ts'
import type { Parameters } from './parameters.ts'

/** Both worlds, measured. */
export type Comparison = {
  readonly seed: number
  readonly parameters: Parameters
  readonly unguarded: Figures
  readonly holdfast: HoldfastRun
  readonly durationS: number
}

/** Replays the incident in both worlds, one after the other. Everything started ends with `shutdown`. */
export async function runIncident(
  options: { readonly seed: number; readonly say: (line: string) => void },
  shutdown: Shutdown,
): Promise<Comparison> {
  const { seed, say } = options
  const parameters = CALIBRATED
  const beganMs = performance.now()
  const shop = makeShop(parameters, seed)
  say('starting a throwaway PostgreSQL')
  const ground = await openGround(shutdown)
  const lab = await ground.createDatabase('holdfast_lab_unguarded', 'lab')
  const database = await ground.createDatabase('holdfast_lab_product', 'product')
  const common = { shop, parameters, seed, folder: ground.folder }
  say(`the unguarded world: ${shop.orders.length} orders, three partners`)
  const unguarded = await within(shutdown, 'unguarded world', (end) =>
    runUnguarded({ ...common, database: lab }, end),
  )
  say(`our world: the same ${shop.orders.length} orders, relay and faults`)
  const holdfast = await within(shutdown, 'our world', (end) =>
    runHoldfast({ ...common, database, lab }, end),
  )
  const durationS = Math.round((performance.now() - beganMs) / 100) / 10
  return { seed, parameters, unguarded, holdfast, durationS }
}

// A world ends when it has been measured, and with the whole where that is stopped before.
async function within<T>(
  outer: Shutdown,
  name: string,
  body: (own: Shutdown) => Promise<T>,
): Promise<T> {
  const own = createShutdown({ log: silentLog, deadlineMs: LAB_STOP_MAX_MS })
  outer.onShutdown(name, async () => {
    if (!(await own.run(name))) throw new Error('a part of it did not end')
  })
  try {
    return await body(own)
  } finally {
    await own.run(name)
  }
}
