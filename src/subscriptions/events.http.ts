import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { EVENT_NAMES } from './event-catalog.ts'
import type { EventName } from './event-catalog.ts'
import type { EventStreams } from './event-stream.ts'
import { cursorText } from './feed-cursor.ts'
import { eventJson, listEvents, openFeed } from './list-events.ts'

const names = z
  .string()
  .max(1_000)
  .transform((text) => text.split(',').map((name) => name.trim()))
  .pipe(z.array(z.enum(EVENT_NAMES)).min(1))
  .optional()

const after = z.string().min(1).max(200).optional()

/** `GET /admin/events`, and the same as a stream of server-sent events. */
export function eventRoutes(context: Context, streams: EventStreams): readonly AnyRoute[] {
  return [feedRoute(context), streamRoute(context, streams)]
}

const feedRoute = (context: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/events',
    summary:
      'What happened, oldest first and without gaps. Read on with `next_cursor`; `after=latest` begins at the end.',
    access: { kind: 'scope', scope: 'events:read' },
    audit: { none: 'read' },
    query: z.strictObject({
      after,
      kinds: names,
      limit: z.coerce.number().int().min(1).max(500).default(100),
    }),
    handle: async ({ query }) => {
      const from = await openFeed(context, query.after)
      if (!from.ok) return from
      const { limit } = query
      const page = await listEvents(context, from.value, { names: wanted(query.kinds), limit })
      return accept({
        status: 200,
        body: {
          items: page.items.map((one) => eventJson(one.event, one.cursor)),
          next_cursor: cursorText(page.next),
          has_more: !page.isEnd,
        },
      })
    },
  })

const streamRoute = (context: Context, streams: EventStreams): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/events/stream',
    summary: 'The same as server-sent events; `Last-Event-ID` goes on where a stream broke off.',
    access: { kind: 'scope', scope: 'events:read' },
    audit: { none: 'read' },
    query: z.strictObject({ after, kinds: names }),
    handle: async ({ query, headers, caller }) => {
      const from = await openFeed(context, headers['last-event-id'] ?? query.after)
      if (!from.ok) return from
      const stream = streams.open(caller.actor, from.value, wanted(query.kinds))
      if (!stream.ok) return stream
      return accept({
        status: 200,
        body: stream.value,
        contentType: 'text/event-stream; charset=utf-8',
        headers: { 'x-accel-buffering': 'no' },
      })
    },
  })

const wanted = (given: readonly EventName[] | undefined): ReadonlySet<EventName> =>
  new Set(given ?? EVENT_NAMES)
