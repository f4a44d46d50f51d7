import { change, maybe, readFeedIn, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { kindsOf, tell } from '../public-event.ts'
import type { PublicEvent } from '../public-event.ts'
import { wantedNames } from '../subscription.ts'
import { insertDeliveries, lockForFanOut, moveCursor, PENDING_MAX } from './lane-statements.ts'

/** Rows of the log that one transaction looks at. */
const SCAN_MAX = 500

/**
 * Reads the feed on for one subscription: what it wants becomes deliveries in the very transaction that
 * moves its cursor, so that no crash loses or doubles one. Answers true where there may be more.
 */
export async function fanOut(context: Context, subscription: string): Promise<boolean> {
  const { merchant, database } = context
  return withTransaction(database, async (tx) => {
    const at = await maybe(tx, lockForFanOut, { merchant, id: subscription, limit: PENDING_MAX })
    if (!at || at.pending >= PENDING_MAX) return false
    const names = wantedNames(at.events)
    const from = { xact: at.xact, id: at.event_id }
    const page = await readFeedIn(tx, merchant, { from, kinds: kindsOf(names), scanMax: SCAN_MAX })
    const told = page.events
      .filter((row) => row.id !== from.id && !isOfItself(row, subscription))
      .flatMap((row) => tell(row, names))
      .map(({ event }) => event)
    if (told.length > 0) {
      await change(tx, insertDeliveries, {
        merchant,
        subscription,
        ids: told.map((event) => deliveryId(subscription, event.id)),
        events: told.map((event) => event.id),
        types: told.map((event) => event.type),
        bodies: told.map(bodyOf),
      })
    }
    const { head } = page
    if (head.xact !== from.xact || head.id !== from.id) {
      await change(tx, moveCursor, { merchant, id: subscription, xact: head.xact, event: head.id })
    }
    return !page.isEnd
  })
}

// A subscription is never told of its own failures: that would make the next one.
const isOfItself = (row: { readonly subjectId: string; readonly kind: string }, id: string) =>
  row.subjectId === id && row.kind.startsWith('subscription.')

/**
 * The `webhook-id` of an event for a subscription: the same over every retry and replay. `msg_`, the
 * event's own id without its prefix, and the random end of the subscription's.
 */
export function deliveryId(subscription: string, event: string): string {
  return `msg_${event.replace(/^evt_/, '')}_${subscription.slice(-8)}`
}

/** The bytes that are sent: made once, signed anew at every attempt. */
function bodyOf(event: PublicEvent): Buffer {
  return Buffer.from(JSON.stringify(event))
}
