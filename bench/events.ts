import { createServer } from 'node:http'
import { orThrow, systemClock } from '#kernel/index.ts'
import {
  closeDatabase,
  FEED_START,
  feedHealth,
  openDatabase,
  readFeed,
  silentLog,
} from '#platform/index.ts'
import type { Database, FeedPosition } from '#platform/index.ts'
import { registerPartner } from '#partners/index.ts'
import { createSubscription, EVENT_NAMES } from '#subscriptions/index.ts'
import { median, ratioFigure } from './figure.ts'
import type { Effort, Figure } from './figure.ts'
import { BENCH_MASTER_KEY, load, openWorld } from './world.ts'
import type { World } from './world.ts'

const INDEX = 'create index event_feed on platform.event (merchant_id, xact)'

/**
 * What events out cost intake (with the index of the feed against without it, interleaved), how fast the
 * feed is read and delivered, and how far it lags while orders are placed and handed over.
 */
export async function events(effort: Effort): Promise<readonly Figure[]> {
  const world = await openWorld()
  const database = openDatabase(world.oursUrl, { connectionsMax: 4 })
  try {
    return [
      ...(await indexCost(world, effort)),
      ...(await readRate(database)),
      ...(await lagAndDelivery(world, database, effort)),
    ]
  } finally {
    await closeDatabase(database)
    await world.close()
  }
}

async function indexCost(world: World, { pairs, seconds }: Effort): Promise<readonly Figure[]> {
  const server = await world.startOurs('web')
  const plan = { test: 'order' as const, shape: 'holdfast' as const, clients: 64, seconds }
  const run = async () => {
    const before = await walBytes(world)
    const { perSecond, ok, serverCpuS, databaseCpuS } = await load(world, server, {
      ...plan,
      skus: [...world.skus],
    })
    const cpuMs = ((serverCpuS + databaseCpuS) * 1_000) / ok
    return { perSecond, cpuMs, wal: ((await walBytes(world)) - before) / ok }
  }
  const runs: Record<'with' | 'without', Awaited<ReturnType<typeof run>>[]> = {
    with: [],
    without: [],
  }
  await run()
  const measure = async (how: 'with' | 'without'): Promise<void> => {
    await world.query('drop index if exists platform.event_feed')
    if (how === 'with') await world.query(INDEX)
    runs[how].push(await run())
  }
  // Each pair the other way round, so that a table that grows is nobody's handicap.
  for (let pair = 0; pair < pairs; pair += 1) {
    const isTurned = pair % 2 === 1
    await measure(isTurned ? 'without' : 'with')
    await measure(isTurned ? 'with' : 'without')
  }
  await world.query('drop index if exists platform.event_feed')
  await world.query(INDEX)
  await server.stop()
  const ratio = (read: (one: Awaited<ReturnType<typeof run>>) => number): number =>
    median(runs.with.map(read)) / median(runs.without.map(read))
  return [
    ratioFigure(
      'orders/s at 64 clients, with the feed index against without',
      ratio((one) => one.perSecond),
      { atLeast: 0.95 },
    ),
    ratioFigure(
      'CPU per order, with against without',
      ratio((one) => one.cpuMs),
      { atMost: 1.05 },
    ),
    { name: 'WAL per order, with against without', value: ratio((one) => one.wal), unit: '×' },
  ]
}

async function walBytes(world: World): Promise<number> {
  const [row] = await world.query(
    `select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as bytes`,
  )
  return Number(row?.['bytes'])
}

async function readRate(database: Database): Promise<readonly Figure[]> {
  let from: FeedPosition = FEED_START
  let read = 0
  const begin = performance.now()
  for (;;) {
    const page = await readFeed(database, 'main', { from, kinds: ['order.placed'], scanMax: 1_000 })
    read += page.events.length
    from = page.head
    if (page.isEnd) break
  }
  const seconds = (performance.now() - begin) / 1_000
  return [{ name: 'events read from the feed, one reader', value: read / seconds, unit: '1/s' }]
}

async function lagAndDelivery(
  world: World,
  database: Database,
  { seconds }: Effort,
): Promise<readonly Figure[]> {
  const context = {
    merchant: 'main',
    database,
    clock: systemClock,
    log: silentLog,
    provenance: () => Promise.reject(new Error('nobody asks')),
  }
  let received = 0
  const endpoint = createServer((request, response) => {
    received += 1
    request.resume().on('end', () => response.writeHead(204).end())
  })
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve))
  const address = endpoint.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const server = await world.startOurs('web,orders,fulfillment,worker,ops')
  orThrow(
    await registerPartner(context, BENCH_MASTER_KEY, {
      id: 'bench',
      url: 'http://127.0.0.1:9',
      locationId: 'loc-a',
      allowPrivate: true,
      actor: 'bench',
    }),
  )
  orThrow(
    await createSubscription(context, BENCH_MASTER_KEY, {
      url: `http://127.0.0.1:${port}/`,
      allowPrivate: true,
      events: EVENT_NAMES.filter((name) => name === 'order.placed'),
      actor: 'bench',
    }),
  )
  const lags: number[] = []
  const sampling = setInterval(
    () =>
      void feedHealth(database, 'main').then(
        ({ lagS }) => lags.push(lagS),
        () => undefined,
      ),
    50,
  )
  const begin = performance.now()
  const placed = await load(world, server, {
    test: 'order',
    shape: 'holdfast',
    clients: 32,
    seconds,
    warmSeconds: 0,
    skus: [...world.skus],
  })
  clearInterval(sampling)
  while (received < placed.ok) await new Promise((resolve) => setTimeout(resolve, 50))
  const elapsed = (performance.now() - begin) / 1_000
  await server.stop()
  endpoint.closeAllConnections()
  endpoint.close()
  return [
    { name: 'lag of the feed under load, median', value: median(lags) * 1_000, unit: 'ms' },
    { name: 'lag of the feed under load, longest', value: Math.max(...lags) * 1_000, unit: 'ms' },
    { name: 'orders/s placed meanwhile', value: placed.perSecond, unit: '1/s' },
    {
      name: 'orders told to an endpoint, from the first placed to the last told',
      value: received / elapsed,
      unit: '1/s',
    },
    {
      name: 'deliveries beyond one an order',
      value: received - placed.ok,
      unit: 'deliveries',
      goal: '0',
      met: received === placed.ok,
    },
  ]
}
