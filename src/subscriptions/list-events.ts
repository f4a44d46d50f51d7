import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { FEED_START, feedHead, feedHealth, readFeed } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { cursorText, readCursor } from './feed-cursor.ts'
import type { FeedCursor } from './feed-cursor.ts'
import type { EventName } from './event-catalog.ts'
import { kindsOf, tell, WHOLE } from './public-event.ts'
import type { PublicEvent } from './public-event.ts'

/** Public events in order, each with the cursor of the place after it. */
export type EventPage = {
  readonly items: readonly { readonly event: PublicEvent; readonly cursor: FeedCursor }[]
  /** Where to read on, also where nothing was found. */
  readonly next: FeedCursor
  readonly isEnd: boolean
}

/** Rows of the log that one page looks at; a rare kind may give pages that are short, or empty. */
const SCAN_MAX = 1_000

/**
 * Where a reader begins: after a cursor that it was given, at the end of the feed now (`latest`), or at
 * the start. Refused: `query_invalid`, `cursor_stale`, and `feed_unordered` where the log came from
 * another database and bears its numbers.
 */
export async function openFeed(
  { database, merchant }: Pick<Context, 'database' | 'merchant'>,
  after: string | undefined,
): Promise<Outcome<FeedCursor>> {
  if ((await feedHealth(database, merchant)).isAhead) {
    return refuse('feed_unordered', 'The event log bears the numbers of another database.')
  }
  const { position, epoch } = await feedHead(database)
  if (after === undefined) return accept({ epoch, position: FEED_START, part: WHOLE })
  if (after === 'latest') return accept({ epoch, position, part: WHOLE })
  return readCursor(after, epoch)
}

/** Reads on from a cursor: at most `limit` public events of these names. */
export async function listEvents(
  { database, merchant }: Pick<Context, 'database' | 'merchant'>,
  cursor: FeedCursor,
  wanted: { readonly names: ReadonlySet<EventName>; readonly limit: number },
): Promise<EventPage> {
  const { epoch, position } = cursor
  const page = await readFeed(database, merchant, {
    from: position,
    kinds: kindsOf(wanted.names),
    scanMax: SCAN_MAX,
  })
  const told = page.events.flatMap((row) =>
    tell(row, wanted.names)
      .filter(({ part }) => row.id !== position.id || part > cursor.part)
      .map(({ part, event }) => ({ event, cursor: { epoch, position: row.position, part } })),
  )
  const items = told.slice(0, wanted.limit)
  const last = items.at(-1)
  if (told.length > items.length && last) return { items, next: last.cursor, isEnd: false }
  return { items, next: { epoch, position: page.head, part: WHOLE }, isEnd: page.isEnd }
}

/** An event as JSON, with the cursor of the place after it where it is told in the feed. */
export function eventJson(event: PublicEvent, cursor?: FeedCursor) {
  return { ...event, ...(cursor ? { cursor: cursorText(cursor) } : {}) }
}
