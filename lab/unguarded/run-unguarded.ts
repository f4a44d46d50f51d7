import { join } from 'node:path'
import { orThrow, systemClock } from '#kernel/index.ts'
import { closeDatabase, openDatabase, recordProvenance, silentLog } from '#platform/index.ts'
import type { Context, Shutdown } from '#platform/index.ts'
import { startGrpcServer } from '#platform/grpc/index.ts'
import { readFlags, setFlag } from '#flags/index.ts'
import { HandoffService, MESSAGE_BYTES_MAX } from '#wire/index.ts'
import type { Figures } from '../incident/figures.ts'
import type { Shop } from '../incident/make-shop.ts'
import { WATCHED_SKU } from '../incident/parameters.ts'
import type { Parameters } from '../incident/parameters.ts'
import { loseAnswers } from '../partners/lose-answers.ts'
import { haveShipped, readLedgers } from '../partners/read-ledgers.ts'
import type { Ledgers } from '../partners/read-ledgers.ts'
import { startPartners } from '../partners/start-partners.ts'
import { openRelay } from '../relay/open-relay.ts'
import { waitUntil } from '../wait-until.ts'
import { dispatchBlindly } from './dispatch-blindly.ts'
import { handOverOrders } from './hand-over-orders.ts'
import { booksOrThrow } from './open-books.ts'
import type { Books } from './open-books.ts'
import { takeEvents } from './take-events.ts'
import { unguardedReceiver } from './take-orders.ts'

const SHIPPED_MAX_MS = 60_000

/** What the world without guards is built over. */
export type UnguardedPlan = {
  readonly shop: Shop
  readonly parameters: Parameters
  readonly seed: number
  readonly folder: string
  readonly database: { readonly ownerUrl: string; readonly runtimeUrl: string }
}

/**
 * The composition root of the world without guards: the system of the report, over the same wire and
 * against the same partners. Refuses (`product_database`) every database that was not created for the
 * lab. Ends with `shutdown`.
 */
export async function runUnguarded(plan: UnguardedPlan, shutdown: Shutdown): Promise<Figures> {
  const { parameters, shop, seed } = plan
  const books = await booksOrThrow(plan.database.ownerUrl)
  shutdown.onShutdown('books', () => books.close())
  const flags = await switchFlags(plan.database.runtimeUrl)
  await openStock(books, shop)
  const callbackUrl = await takeEvents(books, shutdown)
  const partners = await startPartners(join(plan.folder, 'unguarded'), callbackUrl, shutdown)
  await loseAnswers(partners, parameters, seed)
  const receiver = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    messageBytesMax: MESSAGE_BYTES_MAX,
    services: [(router) => void router.service(HandoffService, unguardedReceiver(books))],
  })
  shutdown.onShutdown('receiver', () => receiver.close())
  const relay = await openRelay(receiver.url, parameters.relayOrdersMax, shutdown)
  await handOverOrders(books, shop.orders, {
    url: relay.url,
    batchOrders: parameters.handOverOrders,
  })
  const terms = {
    batchOrders: parameters.dispatchOrders,
    timeoutMs: parameters.unguardedTimeoutMs,
    ...flags,
  }
  await Promise.all(partners.map((partner) => dispatchBlindly(books, partner, terms)))
  await waitUntil('the partners ship', SHIPPED_MAX_MS, () => haveShipped(partners))
  return measure(books, await readLedgers(partners))
}

// The flags of the report, set in the product's own table: in a lab database no guard refuses them.
async function switchFlags(
  runtimeUrl: string,
): Promise<{ isTimestampKey: boolean; mayRetry: boolean }> {
  const database = openDatabase(runtimeUrl, { connectionsMax: 1 })
  try {
    const provenance = { flagSetVersion: 0, build: 'lab', schemaVersion: 0, node: 'lab' }
    const id = await recordProvenance(database, 'main', provenance)
    const context: Context = {
      merchant: 'main',
      database,
      clock: systemClock,
      log: silentLog,
      provenance: () => Promise.resolve({ id, flagSetVersion: 0 }),
    }
    const by = { actor: 'service:lab', reason: 'the incident is replayed' }
    for (const key of ['batch_retry_enabled', 'idempotency_key_format_v2']) {
      orThrow(await setFlag(context, { key, value: true, ...by }))
    }
    const { changes } = await readFlags(database, 'main')
    return {
      isTimestampKey: changes.get('idempotency_key_format_v2')?.value ?? false,
      mayRetry: changes.get('batch_retry_enabled')?.value ?? true,
    }
  } finally {
    await closeDatabase(database)
  }
}

async function openStock(books: Books, { products }: Shop): Promise<void> {
  await books.pool.query(
    'insert into lab.stock (sku, on_hand) select * from unnest($1::text[], $2::int[])',
    [products.map(({ sku }) => sku), products.map(({ units }) => units)],
  )
}

async function measure(books: Books, ledgers: Ledgers): Promise<Figures> {
  const { rows: decided } = await books.pool.query<{
    orders: number
    reviewed: number
    held: number
    unreviewed: number
  }>(
    `select count(*)::int as orders,
            count(*) filter (where p.held_by_review)::int as reviewed,
            count(*) filter (where f.held)::int as held,
            count(*) filter (where p.held_by_review and f.id = any($1))::int as unreviewed
       from lab.placed_order p left join lab.fulfillment_order f using (number)`,
    [[...ledgers.fulfillments]],
  )
  const { rows: stock } = await books.pool.query<{ negative: number; watched: number }>(
    `select count(*) filter (where on_hand < 0)::int as negative,
            max(on_hand) filter (where sku = $1)::int as watched from lab.stock`,
    [WATCHED_SKU],
  )
  const orders = decided[0]?.orders ?? 0
  return {
    orders,
    heldByReview: (decided[0]?.reviewed ?? 0) / orders,
    holdRate: (decided[0]?.held ?? 0) / orders,
    unreviewedAccepted: decided[0]?.unreviewed ?? 0,
    dispatches: ledgers.dispatches,
    answersLost: ledgers.answersLost,
    duplicateBatches: ledgers.duplicateBatches,
    partnersWithDuplicates: ledgers.partnersWithDuplicates,
    doubleFulfillments: ledgers.doubleFulfillments,
    keyReplays: ledgers.replays,
    negativeSkus: stock[0]?.negative ?? 0,
    watchedUnits: stock[0]?.watched ?? 0,
  }
}
