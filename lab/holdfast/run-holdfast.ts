import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { invariant, orThrow } from '#kernel/index.ts'
import { loadedKey } from '#platform/secrets/index.ts'
import { silentLog } from '#platform/index.ts'
import type { Shutdown } from '#platform/index.ts'
import { openInstallation } from '#roles/index.ts'
import type { Installation } from '#roles/index.ts'
import type { Figures, Refused } from '../incident/figures.ts'
import type { Shop } from '../incident/make-shop.ts'
import type { Parameters } from '../incident/parameters.ts'
import { loseAnswers } from '../partners/lose-answers.ts'
import { haveShipped, readLedgers } from '../partners/read-ledgers.ts'
import { startPartners } from '../partners/start-partners.ts'
import { openRelay } from '../relay/open-relay.ts'
import { waitUntil } from '../wait-until.ts'
import { measureHoldfast, readRefused, readWaiting } from './measure-holdfast.ts'
import { importShop, registerPartners } from './open-shop.ts'
import { startRole } from './start-role.ts'
import { tryWhatFailed } from './try-what-failed.ts'

const REFUSED_MAX_MS = 60_000
const SETTLED_MAX_MS = 120_000

/** What our world is built over; `lab` is the database of the other one, which it must refuse. */
export type HoldfastPlan = {
  readonly shop: Shop
  readonly parameters: Parameters
  readonly seed: number
  readonly folder: string
  readonly database: { readonly ownerUrl: string; readonly runtimeUrl: string }
  readonly lab: { readonly ownerUrl: string; readonly runtimeUrl: string }
}

/** What our world did: its figures at the end, and what was refused on the way. */
export type HoldfastRun = {
  readonly figures: Figures
  readonly refused: readonly Refused[]
  /** Orders in hand-overs that the relay damaged. */
  readonly damagedOrders: number
}

/**
 * Runs the product as it is deployed: two `holdfast serve` processes, the relay between them, and the
 * same orders, partners and faults as the unguarded world. When every large hand-over has failed once
 * the relay is mended, and everything must flow. Ends with `shutdown`.
 */
export async function runHoldfast(plan: HoldfastPlan, shutdown: Shutdown): Promise<HoldfastRun> {
  const { parameters, shop, seed, folder } = plan
  const masterKey = randomBytes(32)
  const keyFile = join(folder, 'master.key')
  await writeFile(keyFile, masterKey, { mode: 0o600 })
  const settings = {
    HOLDFAST_DATABASE_URL: plan.database.runtimeUrl,
    HOLDFAST_MASTER_KEY_FILE: keyFile,
  }
  const installation = orThrow(
    await openInstallation(
      { ...plan.database, key: loadedKey(masterKey), stop: () => Promise.resolve() },
      { log: silentLog, connectionsMax: 4 },
    ),
  )
  shutdown.onShutdown('installation', () => installation.close())
  const downstream = await startRole('web,fulfillment,worker', settings, shutdown)
  invariant(downstream.http_url && downstream.grpc_url, 'the roles listen')
  const partners = await startPartners(join(folder, 'holdfast'), downstream.http_url, shutdown)
  await registerPartners(installation, partners)
  await loseAnswers(partners, parameters, seed)
  await importShop(installation, shop, join(folder, 'files'))
  const tried = await tryWhatFailed(installation, { product: plan.database, lab: plan.lab })
  const relay = await openRelay(downstream.grpc_url, parameters.relayOrdersMax, shutdown)
  await startRole('orders', { ...settings, HOLDFAST_FULFILLMENT_URL: relay.url }, shutdown)
  const { pool } = installation.context.database
  await waitUntil('every order has met the relay', REFUSED_MAX_MS, async () => {
    return (await readWaiting(pool)).untried === 0
  })
  relay.heal()
  await settle(installation, () => haveShipped(partners))
  return {
    figures: await measureHoldfast(pool, await readLedgers(partners)),
    refused: [...(await readRefused(pool)), ...tried],
    damagedOrders: relay.damaged().orders,
  }
}

async function settle(
  { context }: Installation,
  haveAllShipped: () => Promise<boolean>,
): Promise<void> {
  await waitUntil('everything flows after the relay is mended', SETTLED_MAX_MS, async () => {
    const { outbox, moving } = await readWaiting(context.database.pool)
    return outbox === 0 && moving === 0 && (await haveAllShipped())
  })
}
