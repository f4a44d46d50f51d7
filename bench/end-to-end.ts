import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { orThrow, systemClock } from '#kernel/index.ts'
import { closeDatabase, openDatabase, silentLog } from '#platform/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import { gradePartner, registerPartner } from '#partners/index.ts'
import { startSimulator } from '#simulator/index.ts'
import type { Effort, Figure } from './figure.ts'
import { BENCH_MASTER_KEY, load, openWorld } from './world.ts'
import type { World } from './world.ts'

/** From the first order placed to the last one accepted by a simulated partner, all on one machine. */
export async function endToEnd({ seconds }: Effort): Promise<readonly Figure[]> {
  const world = await openWorld()
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-partner-'))
  try {
    const server = await world.startOurs('web,orders,fulfillment,worker,ops')
    const secrets = { dispatch: newWebhookSecret(), event: newWebhookSecret() }
    const simulator = await startSimulator({
      dataDir: folder,
      callbackUrl: server.url,
      partners: [
        {
          id: 'bench',
          name: 'Bench',
          port: 0,
          dispatchSecret: secrets.dispatch,
          eventSecret: secrets.event,
        },
      ],
    })
    await register(world, simulator.partners[0]?.url ?? '', secrets)
    const begin = performance.now()
    const placed = await load(world, server, {
      test: 'order',
      shape: 'holdfast',
      clients: 32,
      seconds,
      warmSeconds: 0,
      skus: [...world.skus],
    })
    while ((await waiting(world)) > 0) await new Promise((resolve) => setTimeout(resolve, 50))
    const total = (performance.now() - begin) / 1_000
    await simulator.stop()
    const orders = await accepted(world)
    return [
      {
        name: 'orders accepted by the partner',
        value: orders,
        unit: 'orders',
        goal: String(placed.ok),
        met: orders >= placed.ok,
      },
      {
        name: 'orders/s from placed to accepted by the partner',
        value: orders / total,
        unit: '1/s',
      },
    ]
  } finally {
    await world.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function register(
  world: World,
  url: string,
  secrets: { dispatch: string; event: string },
): Promise<void> {
  const database = openDatabase(world.oursUrl, { connectionsMax: 1 })
  const context = {
    merchant: 'main',
    database,
    clock: systemClock,
    log: silentLog,
    provenance: () => Promise.resolve({ id: 'prv_bench', flagSetVersion: 0 }),
  }
  const by = { actor: 'bench', reason: 'the bench' }
  orThrow(
    await registerPartner(context, BENCH_MASTER_KEY, {
      id: 'bench',
      url,
      allowPrivate: true,
      locationId: 'loc-a',
      secrets,
      actor: by.actor,
    }),
  )
  orThrow(await gradePartner(context, { partner: 'bench', grade: 'A', ...by }))
  await closeDatabase(database)
}

async function waiting(world: World): Promise<number> {
  const [row] = await world.query(`select ((select count(*) from orders.handover_outbox)
    + (select count(*) from fulfillment.fulfillment_order where state in ('open', 'sealed')))::int as n`)
  return Number(row?.['n'])
}

async function accepted(world: World): Promise<number> {
  const [row] = await world.query(
    `select count(*)::int as n from fulfillment.fulfillment_order where state in ('accepted', 'shipped')`,
  )
  return Number(row?.['n'])
}
