import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { batchLane, orThrow, systemClock } from '#kernel/index.ts'
import { gradePartner, pausePartner, registerPartner, resumePartner } from '#partners/index.ts'
import { closeDatabase, openDatabase, silentLog } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import { receiveHandOver } from '#fulfillment/receive/receive-hand-over.ts'
import { opened, record } from '#fulfillment/warehouse.fixture.ts'
import { reviewKeys } from '#wire/index.ts'
import type { Effort, Figure } from './figure.ts'
import { BENCH_MASTER_KEY, openWorld } from './world.ts'
import type { World } from './world.ts'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const KEYS = reviewKeys(BENCH_MASTER_KEY)
const SAMPLES_PER_EFFORT_S = 5
/** Records of one hand-over at most, as the orders worker sends them. */
const HAND_OVER_MAX = 400
let made = 0

/**
 * From approved (the decision is effective) to accepted by the partner, one order a dispatch, with
 * intent, echo and attempt log; the simulated partner and the database run on the same machine.
 */
export async function dispatch({ seconds, pairs }: Effort): Promise<readonly Figure[]> {
  const world = await openWorld(1)
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-dispatch-'))
  const database = openDatabase(world.oursUrl, { connectionsMax: 8 })
  const context: Context = {
    merchant: 'main',
    database,
    clock: systemClock,
    log: silentLog,
    provenance: () => Promise.resolve({ id: 'prv_bench', flagSetVersion: 0 }),
  }
  const partner = await startPartner(context, folder)
  const worker = spawn(process.execPath, [path('dispatch-worker.ts'), world.oursUrl], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(worker.stdout, 'data')
    await pace(context, 20, seconds)
    await settled(world)
    const span = Math.max(seconds, (pairs * SAMPLES_PER_EFFORT_S) / 2)
    const figures: Figure[] = []
    for (const [rate, goalS, aim] of [
      [50, 0.25, ' (aim 0.12)'],
      [200, 0.5, ''],
    ] as const) {
      const from = made
      await pace(context, rate, span)
      await settled(world)
      const { p50, p95, p99 } = await latencies(world, from)
      const at = `approved to accepted at ${rate}/s`
      figures.push(
        { name: `${at}, p50`, value: p50, unit: 's' },
        {
          name: `${at}, p95`,
          value: p95,
          unit: 's',
          goal: `≤ ${goalS} s${aim}`,
          met: p95 <= goalS,
        },
        { name: `${at}, p99`, value: p99, unit: 's' },
      )
    }
    return [...figures, ...(await throughput(context, world, pairs > 1 ? 8_000 : 2_000))]
  } finally {
    worker.kill('SIGTERM')
    if (worker.exitCode === null) await once(worker, 'exit')
    partner.kill('SIGTERM')
    await closeDatabase(database)
    await world.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function startPartner(context: Context, folder: string) {
  const secrets = { dispatch: newWebhookSecret(), event: newWebhookSecret() }
  const file = join(folder, 'simulator.json')
  const partner = { id: 'bench', name: 'Bench', port: 0 }
  await writeFile(
    file,
    JSON.stringify({
      dataDir: join(folder, 'ledger'),
      callbackUrl: 'http://127.0.0.1:1',
      shipDelayMs: 86_400_000,
      partners: [{ ...partner, dispatchSecret: secrets.dispatch, eventSecret: secrets.event }],
    }),
    { mode: 0o600 },
  )
  const child = fork(path('../src/simulator/main.ts'), ['--config', file], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const [ready]: unknown[] = await once(child, 'message')
  const url = /"url":"([^"]+)"/.exec(JSON.stringify(ready))?.[1] ?? ''
  const by = { actor: 'bench', reason: 'the bench' }
  orThrow(
    await registerPartner(context, BENCH_MASTER_KEY, {
      id: 'bench',
      url,
      allowPrivate: true,
      locationId: 'loc-a',
      concurrencyMax: 64,
      secrets,
      actor: by.actor,
    }),
  )
  orThrow(await gradePartner(context, { partner: 'bench', grade: 'A', ...by }))
  return child
}

/**
 * Approves one effective order at each intended time, whatever the last one does. As the orders worker
 * does, one hand-over runs at a time and the next takes what was approved meanwhile.
 */
async function pace(context: Context, rate: number, seconds: number): Promise<void> {
  const begin = performance.now()
  const lane = batchLane<Approved, null>({
    batchMax: HAND_OVER_MAX,
    queueMax: 100_000,
    run: async (orders) => {
      await handOver(context, orders)
      return orders.map(() => null)
    },
  })
  const sent: Promise<null>[] = []
  for (let number = 0; number < rate * seconds; number += 1) {
    const dueMs = begin + (number * 1_000) / rate
    const waitMs = dueMs - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    const handedOver = lane.submit(approve())
    if (handedOver) sent.push(handedOver)
  }
  await Promise.all(sent)
}

const orderId = (number: number): string => `ord_${String(number).padStart(8, '0')}`

/** An order of one unit whose approval is effective now. */
function approve() {
  made += 1
  const id = orderId(made)
  const allocations = [{ locationId: 'loc-a', qty: 1 }]
  const lines = [{ line: 1, sku: 'SKU-00000', qty: 1, allocations }]
  return record(id, { lines, effectiveAtMs: Date.now(), signing: KEYS.signing })
}
type Approved = ReturnType<typeof approve>

async function handOver(context: Context, orders: readonly Approved[]): Promise<void> {
  orThrow(await receiveHandOver(context, KEYS, opened(orders)))
}

async function settled(world: World): Promise<void> {
  for (;;) {
    const [row] = await world.query(
      `select count(*)::int as n from fulfillment.fulfillment_order where state in ('open', 'sealed')`,
    )
    if (Number(row?.['n']) === 0) return
    // Rarely: the question reads the table, and the database is what is measured.
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

async function latencies(world: World, from: number) {
  const [row] = await world.query(
    `select percentile_cont(array[0.5, 0.95, 0.99]) within group (
        order by extract(epoch from d.settled_at - f.effective_at)) as p
       from fulfillment.fulfillment_order f
       join fulfillment.dispatch d on d.merchant_id = f.merchant_id and d.id = f.dispatch_id
      where f.order_id > '${orderId(from)}'`,
  )
  const found: unknown = row?.['p']
  const [p50 = Number.NaN, p95 = Number.NaN, p99 = Number.NaN] = Array.isArray(found)
    ? found.map(Number)
    : []
  return { p50, p95, p99 }
}

/** How fast a backlog is sent: handed over while the lane is paused, and then while it runs. */
async function throughput(
  context: Context,
  world: World,
  count: number,
): Promise<readonly Figure[]> {
  const by = { partner: 'bench', actor: 'bench', reason: 'the bench' }
  orThrow(await pausePartner(context, by))
  const waiting = await handOverMany(context, count)
  orThrow(await resumePartner(context, by))
  const alone = await rateSince(world, waiting, 'min(d.sealed_at)')
  // Handed over faster than it can be sent, while it is sent.
  const both = await rateSince(world, await handOverMany(context, count), 'min(f.effective_at)')
  return [
    {
      name: 'dispatches/s from a backlog',
      value: alone,
      unit: '1/s',
      goal: '≥ 800 /s (aim 1,500)',
      met: alone >= 800,
    },
    { name: 'dispatches/s, hand-over included', value: both, unit: '1/s' },
  ]
}

/** Answers the number of the last order before these. */
async function handOverMany(context: Context, count: number): Promise<number> {
  const from = made
  for (let handed = 0; handed < count; handed += HAND_OVER_MAX) {
    await handOver(context, Array.from({ length: HAND_OVER_MAX }, approve))
  }
  return from
}

/** Dispatches a second, from the first moment of orders after `from` to the last acceptance of them. */
async function rateSince(world: World, from: number, begin: string): Promise<number> {
  await settled(world)
  const [row] = await world.query(
    `select count(*) / extract(epoch from max(d.settled_at) - ${begin}) as rate
       from fulfillment.fulfillment_order f
       join fulfillment.dispatch d on d.merchant_id = f.merchant_id and d.id = f.dispatch_id
      where f.order_id > '${orderId(from)}'`,
  )
  return Number(row?.['rate'])
}
