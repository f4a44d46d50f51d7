import type { Pool } from 'pg'
import type { Figures, Refused } from '../incident/figures.ts'
import { WATCHED_SKU } from '../incident/parameters.ts'
import type { Ledgers } from '../partners/read-ledgers.ts'

/** What waits in the product's own tables. */
export type Waiting = {
  /** Orders that were not handed over yet, and those of them that were never tried. */
  readonly outbox: number
  readonly untried: number
  /** Fulfillment orders between hold and parcel. */
  readonly moving: number
}

/** Reads what still has to happen. */
export async function readWaiting(pool: Pool): Promise<Waiting> {
  const { rows } = await pool.query<Waiting>(
    `select (select count(*)::int from orders.handover_outbox) as outbox,
            (select count(*)::int from orders.handover_outbox where attempts = 0) as untried,
            (select count(*)::int from fulfillment.fulfillment_order
              where state in ('open', 'sealed', 'accepted')) as moving`,
  )
  return rows[0] ?? { outbox: 0, untried: 0, moving: 0 }
}

/** Hand-overs that the receiver refused, by code, from its quarantine. */
export async function readRefused(pool: Pool): Promise<readonly Refused[]> {
  const { rows } = await pool.query<{ code: string; times: number }>(
    'select code, sum(times)::int as times from fulfillment.quarantine group by code order by code',
  )
  return rows.map(({ code, times }) => ({ what: 'a hand-over that lost field 47', code, times }))
}

/** The same figures as the unguarded world has, from the product's tables and the partners' ledgers. */
export async function measureHoldfast(pool: Pool, ledgers: Ledgers): Promise<Figures> {
  const { rows: reviewed } = await pool.query<{ orders: number; held: number }>(
    `select count(distinct order_id)::int as orders,
            count(distinct order_id) filter (where verdict = 'hold')::int as held
       from orders.decision`,
  )
  const { rows: decided } = await pool.query<{ orders: number; held: number }>(
    `select count(distinct order_id)::int as orders,
            count(distinct order_id) filter (where verdict = 'hold')::int as held
       from fulfillment.decision`,
  )
  const { rows: shipped } = await pool.query<{ unreviewed: number }>(
    `select count(distinct f.order_id)::int as unreviewed
       from fulfillment.fulfillment_order f
       join orders.decision d using (merchant_id, order_id)
      where d.verdict = 'hold' and f.id = any($1)`,
    [[...ledgers.fulfillments]],
  )
  const { rows: stock } = await pool.query<{ negative: number; watched: number }>(
    `select count(*) filter (where on_hand < 0)::int as negative,
            max(on_hand) filter (where sku = $1)::int as watched
       from (select sku, sum(on_hand) as on_hand from inventory.stock group by sku) s`,
    [WATCHED_SKU],
  )
  return {
    orders: reviewed[0]?.orders ?? 0,
    heldByReview: share(reviewed[0]),
    holdRate: share(decided[0]),
    unreviewedAccepted: shipped[0]?.unreviewed ?? 0,
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

function share(counted: { orders: number; held: number } | undefined): number {
  return counted && counted.orders > 0 ? counted.held / counted.orders : 0
}
