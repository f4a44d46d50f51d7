import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { invariant, seededRandom, sha256 } from '#kernel/index.ts'
import type { Random } from '#kernel/index.ts'
import { closeDatabase } from '#platform/index.ts'
import { median, ratioFigure } from './figure.ts'
import type { Effort, Figure } from './figure.ts'
import { findPgbench, PGBENCH_ENV } from './hot-sku.ts'
import { openLane } from './open-lane.ts'
import { recordTo, toScript } from './record-statements.ts'
import type { Recorded } from './record-statements.ts'
import { benchSeed } from './seed.ts'
import { openWorld } from './world.ts'
import type { World } from './world.ts'

const ORDERS = 256
const LINES = 3

/**
 * The batched statements of intake on one connection: our code against pgbench with the same SQL,
 * recorded from our run and played into a copy that was made just before it.
 */
export async function batch({ pairs }: Effort): Promise<readonly Figure[]> {
  const pgbench = findPgbench()
  if (!pgbench) {
    process.stderr.write('SKIPPED: pgbench is not installed; no comparison of batches\n')
    return []
  }
  const batches = pairs > 1 ? 60 : 20
  const world = await openWorld()
  try {
    const rates: { ours: number; pgbench: number }[] = []
    // What a first batch makes for all that follow (rules, provenance) is then in every copy.
    await placeBatches(world, 2)
    for (let pair = 0; pair < pairs; pair += 1) rates.push(await onePair(world, pgbench, batches))
    return [
      { name: 'orders/s, Holdfast', value: median(rates.map((one) => one.ours)), unit: '1/s' },
      {
        name: 'orders/s, pgbench with the same SQL',
        value: median(rates.map((one) => one.pgbench)),
        unit: '1/s',
      },
      ratioFigure(
        `batches of ${ORDERS} orders on one connection`,
        median(rates.map((one) => one.ours / one.pgbench)),
        { atLeast: 0.6 },
      ),
    ]
  } finally {
    await world.close()
  }
}

async function onePair(
  world: World,
  pgbench: string,
  batches: number,
): Promise<{ ours: number; pgbench: number }> {
  const copyUrl = world.baselineUrl.replace(/\/baseline(?=\?|$)/, '/copy')
  await run(world.baselineUrl, 'create database copy template holdfast')
  const ours = await placeBatches(world, batches)
  const played = await play(pgbench, copyUrl, toScript(ours.recorded))
  const [mine, theirs] = [await countOrders(world.oursUrl), await countOrders(copyUrl)]
  invariant(mine === theirs, 'pgbench placed the orders that we placed')
  await run(world.baselineUrl, 'drop database copy')
  const orders = batches * ORDERS
  return { ours: orders / ours.seconds, pgbench: orders / played }
}

async function placeBatches(
  world: World,
  batches: number,
): Promise<{ seconds: number; recorded: readonly Recorded[] }> {
  const recorded: Recorded[] = []
  const { database, placing } = await openLane(world.oursUrl, (opened) =>
    recordTo(opened, recorded),
  )
  // What opening the lane asked is in the copy already.
  recorded.length = 0
  const random = seededRandom(benchSeed())
  let ms = 0
  for (let n = 0; n < batches; n += 1) {
    const requests = Array.from({ length: ORDERS }, () => requestOf(world, random))
    const begin = performance.now()
    // Submitted in one turn of the loop, so that the lane takes all of them as one batch.
    await Promise.all(requests.map((request) => placing.place(request)))
    ms += performance.now() - begin
  }
  await closeDatabase(database)
  return { seconds: ms / 1_000, recorded }
}

function requestOf({ skus }: World, random: Random) {
  const drawn = new Set<string>()
  while (drawn.size < LINES) drawn.add(skus[Math.floor(random() * skus.length)] ?? '')
  const key = randomUUID()
  return {
    input: {
      currency: 'GBP',
      ship_to: { name: 'Ann Buyer', street: 'Main St 1', city: 'Leeds', country: 'GB' },
      lines: [...drawn].map((sku) => ({ sku, qty: 1 })),
    },
    source: 'http' as const,
    isTrusted: false,
    submittedHold: false,
    idempotency: { scope: 'public', key, requestSha256: sha256(key) },
  }
}

/** Seconds that one pass over the script takes, without connecting. */
async function play(pgbench: string, url: string, script: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-pgbench-'))
  try {
    const file = join(folder, 'batches.sql')
    await writeFile(file, script)
    const args = ['-n', '-M', 'simple', '-c', '1', '-t', '1', '-f', file, url]
    const { status, stdout, stderr } = spawnSync(pgbench, args, {
      encoding: 'utf8',
      env: PGBENCH_ENV,
    })
    const ms = Number(/latency average = ([\d.]+)/.exec(stdout)?.[1])
    invariant(status === 0 && ms > 0, `pgbench plays every statement: ${stderr}`)
    return ms / 1_000
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function countOrders(url: string): Promise<number> {
  return Number((await run(url, 'select count(*)::int as n from orders."order"'))[0]?.['n'])
}

async function run(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}
