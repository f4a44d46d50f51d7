import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { invariant } from '#kernel/index.ts'
import {
  holdfast,
  killEverything,
  newDataDir,
  removeDataDir,
  startPlatform,
  withPlatformDatabase,
} from '../tests/journeys/platform.ts'
import { openWork } from '../tests/journeys/river.ts'
import type { Figure } from './figure.ts'
import { benchSeed } from './seed.ts'

/** As many as the real file has. */
const ORDERS = 12_394
const RUN_MAX_S = 90

/**
 * The main job as a person runs it, from the first start on an empty folder to the books that agree: `up`,
 * two imports by command line, every clear order shipped by three partners, `verify`. With TEST_DATA_DIR the
 * real orders, else as many generated ones.
 */
export async function river(): Promise<readonly Figure[]> {
  const dataDir = await newDataDir()
  try {
    const files = await inputOf(dataDir)
    const begin = performance.now()
    const seconds = (): number => (performance.now() - begin) / 1_000
    const platform = await startPlatform(dataDir)
    const up = seconds()
    await run(dataDir, 'import', 'catalog', files.catalog)
    await run(dataDir, 'import', 'orders', files.orders)
    const imported = seconds()
    await withPlatformDatabase(dataDir, async (database) => {
      while ((await openWork(database)) > 0) await new Promise((done) => setTimeout(done, 250))
    })
    const shipped = seconds()
    await run(dataDir, 'verify')
    const total = seconds()
    invariant((await platform.stop()) === 0, 'the platform stops cleanly')
    const of = files.isReal ? 'the real order file' : `${ORDERS} generated orders`
    return [
      { name: `${of}: first start`, value: up, unit: 's' },
      { name: `${of}: imported after`, value: imported, unit: 's' },
      { name: `${of}: the last parcel shipped after`, value: shipped, unit: 's' },
      {
        name: `${of}: the whole run, with verify`,
        value: total,
        unit: 's',
        goal: `< ${RUN_MAX_S} s`,
        met: total < RUN_MAX_S,
      },
    ]
  } finally {
    await killEverything(dataDir)
    await removeDataDir(dataDir)
  }
}

type Files = { readonly catalog: string; readonly orders: string; readonly isReal: boolean }

async function inputOf(dataDir: string): Promise<Files> {
  const folder = process.env['TEST_DATA_DIR'] ?? ''
  const orders = join(folder, 'orders.ndjson.gz')
  if (folder && existsSync(orders)) {
    return { catalog: join(folder, 'catalogue.csv'), orders, isReal: true }
  }
  const made = { catalog: join(dataDir, 'catalog.csv'), orders: join(dataDir, 'orders.ndjson') }
  for (const [what, file] of Object.entries(made)) {
    const options = ['--seed', String(benchSeed()), '--count', String(ORDERS), '--output', file]
    await run(dataDir, 'generate', what, ...options)
  }
  return { ...made, isReal: false }
}

async function run(dataDir: string, ...args: readonly string[]): Promise<void> {
  const done = await holdfast(dataDir, args)
  invariant(done.code === 0, `holdfast ${args.join(' ')}: ${done.stderr}`)
}
