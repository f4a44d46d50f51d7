import { jsonOf, statement } from '../database/statement.ts'
import { many, read } from '../database/database.ts'
import type { Database, Transaction } from '../database/database.ts'

/** A place in the feed: the transaction that wrote an event (xid8, as text) and the event in it. */
export type FeedPosition = { readonly xact: string; readonly id: string }

/** One event of the log where it stands in the feed. */
export type FeedEvent = {
  readonly position: FeedPosition
  readonly id: string
  readonly subjectId: string
  readonly kind: string
  readonly data: Readonly<Record<string, unknown>>
  readonly at: Date
}

/** What one reading found. `head` is how far it looked; `isEnd` where nothing more was there. */
export type FeedPage = {
  readonly events: readonly FeedEvent[]
  readonly head: FeedPosition
  readonly isEnd: boolean
}

/** What to read: from a position on (that event itself comes again), of some kinds, so many rows. */
export type FeedReading = {
  readonly from: FeedPosition
  readonly kinds: readonly string[]
  /** Rows looked at, at least 2: the first may be the one that the caller knows. */
  readonly scanMax: number
}

/** Before the first event. */
export const FEED_START: FeedPosition = { xact: '0', id: '' }

// Below the oldest transaction that still runs nothing can appear any more, so the order of
// (xact, id) has no gap. The last row is told whatever its kind is: the reader need not see it again.
const selectFeed = statement({
  name: 'platform.select_feed',
  params: { merchant: 'text', xact: 'text', id: 'text', kinds: 'text[]', scan: 'int4' },
  row: {
    xact: 'text',
    id: 'text',
    subject_id: 'text',
    kind: 'text',
    data: jsonOf<Readonly<Record<string, unknown>>>(
      'every member is unknown: the reader takes each by its type',
    ),
    at: 'timestamptz',
    scanned: 'int4',
  },
  text: `
    with page as materialized (
      select xact, id, subject_id, kind, data, at from platform.event
       where merchant_id = $merchant and xact >= $xact::xid8 and (xact, id) >= ($xact::xid8, $id)
         and xact < pg_snapshot_xmin(pg_current_snapshot())
       order by xact, id
       limit $scan
    )
    select p.xact::text as xact, p.id, p.subject_id, p.kind, p.data, p.at,
           (select count(*)::int4 from page) as scanned
      from page p
     where p.kind = any($kinds)
        or (p.xact, p.id) in (select xact, id from page order by xact desc, id desc limit 1)
     order by p.xact, p.id`,
})

/** Reads the feed. Two readers see the same events in the same order, each exactly once. */
export async function readFeed(
  database: Database,
  merchant: string,
  reading: FeedReading,
): Promise<FeedPage> {
  return pageOf(await read(database, selectFeed, paramsOf(merchant, reading)), reading)
}

/** Reads the feed in a transaction, so that what comes of it commits with the new position. */
export async function readFeedIn(
  tx: Transaction,
  merchant: string,
  reading: FeedReading,
): Promise<FeedPage> {
  return pageOf(await many(tx, selectFeed, paramsOf(merchant, reading)), reading)
}

const paramsOf = (merchant: string, { from, kinds, scanMax }: FeedReading) => ({
  merchant,
  xact: from.xact,
  id: from.id,
  kinds,
  scan: scanMax,
})

function pageOf(
  rows: Awaited<ReturnType<typeof many<typeof selectFeed.params, typeof selectFeed.row>>>,
  { from, kinds, scanMax }: FeedReading,
): FeedPage {
  const wanted = new Set(kinds)
  const last = rows.at(-1)
  return {
    events: rows
      .filter((row) => wanted.has(row.kind))
      .map((row) => ({
        position: { xact: row.xact, id: row.id },
        id: row.id,
        subjectId: row.subject_id,
        kind: row.kind,
        data: row.data,
        at: row.at,
      })),
    head: last ? { xact: last.xact, id: last.id } : from,
    isEnd: (last?.scanned ?? 0) < scanMax,
  }
}

const selectHead = statement({
  name: 'platform.select_feed_head',
  params: {},
  row: { xact: 'text', fence_epoch: 'int4' },
  text: `
    select pg_snapshot_xmin(pg_current_snapshot())::text as xact,
           (select fence_epoch from platform.instance) as fence_epoch`,
})

/**
 * Where the feed ends now, and the epoch of this database: a restore raises it, and a position of an
 * earlier epoch means nothing any more.
 */
export async function feedHead(
  database: Database,
): Promise<{ readonly position: FeedPosition; readonly epoch: number }> {
  const [row] = await read(database, selectHead, {})
  return { position: { xact: row?.xact ?? '0', id: '' }, epoch: row?.fence_epoch ?? 1 }
}

const selectHealth = statement({
  name: 'platform.select_feed_health',
  params: { merchant: 'text' },
  row: { lag_s: 'float8', is_ahead: 'bool' },
  text: `
    select coalesce(extract(epoch from clock_timestamp() - (
             select min(at) from (
               select at from platform.event
                where merchant_id = $merchant and xact >= pg_snapshot_xmin(pg_current_snapshot())
                order by xact limit 1000) waiting)), 0)::float8 as lag_s,
           exists (select from platform.event
                    where merchant_id = $merchant
                      and xact >= pg_snapshot_xmax(pg_current_snapshot())) as is_ahead`,
})

/**
 * `lagS`: seconds since the oldest committed event that the feed may not show yet, because an older
 * transaction still runs; 0 where there is none. `isAhead`: the log bears numbers that this database has
 * not given yet (it came from another one as a dump), so its order means nothing.
 */
export async function feedHealth(
  database: Database,
  merchant: string,
): Promise<{ readonly lagS: number; readonly isAhead: boolean }> {
  const [row] = await read(database, selectHealth, { merchant })
  return { lagS: Math.max(0, row?.lag_s ?? 0), isAhead: row?.is_ahead ?? false }
}
