import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { FeedPosition } from '#platform/index.ts'

/** A reader's place: what it has read up to, the parts of that event included, in an epoch. */
export type FeedCursor = {
  readonly epoch: number
  readonly position: FeedPosition
  readonly part: number
}

const FORM = /^(\d{1,9})\.(\d{1,20})\.([A-Za-z0-9_-]{0,64})\.(\d)$/
const XID8_MAX = 2n ** 64n - 1n

/** A cursor as text: opaque to whoever keeps it, and fit for a URL. */
export function cursorText({ epoch, position, part }: FeedCursor): string {
  return Buffer.from(`${epoch}.${position.xact}.${position.id}.${part}`).toString('base64url')
}

/**
 * Reads a cursor. Refused: `query_invalid` where we did not make it, `cursor_stale` where the database
 * was restored since: its transactions count anew, so the place means nothing any more.
 */
export function readCursor(text: string, epoch: number): Outcome<FeedCursor> {
  const [, ofEpoch, xact, id, part] = FORM.exec(Buffer.from(text, 'base64url').toString()) ?? []
  if (ofEpoch === undefined || xact === undefined || id === undefined || BigInt(xact) > XID8_MAX) {
    return refuse('query_invalid', 'The cursor is not one of this feed.', { field: 'after' })
  }
  if (Number(ofEpoch) !== epoch) {
    return refuse(
      'cursor_stale',
      'The database was restored since. Read from the start, and pass over the ids that you know.',
      { field: 'after' },
    )
  }
  return accept({ epoch, position: { xact, id }, part: Number(part) })
}
