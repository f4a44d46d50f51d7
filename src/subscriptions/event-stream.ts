import { Readable } from 'node:stream'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { Context } from '#platform/index.ts'
import type { EventName } from './event-catalog.ts'
import type { FeedCursor } from './feed-cursor.ts'
import { cursorText } from './feed-cursor.ts'
import { listEvents } from './list-events.ts'

/** The open server-sent event streams of a process. */
export type EventStreams = {
  /** Refuses `streams_full` where the caller has as many open as it may, `overloaded` where all have. */
  readonly open: (
    actor: string,
    from: FeedCursor,
    names: ReadonlySet<EventName>,
  ) => Outcome<Readable>
  readonly count: () => number
  /** Ends every stream: a reader comes again with the id of the last event it got. */
  readonly close: () => void
}

/** Streams that may be open in one process. */
export const STREAMS_MAX = 32
/** Streams that one caller, a key or a person, may have open in one process. */
export const STREAMS_OF_CALLER_MAX = 4
const PAGE = 200
const POLL_MS = 500
const HEARTBEAT_MS = 15_000
/** A stream ends by itself, so that a key that was revoked meanwhile is asked for again. */
const LIFE_MS = 15 * 60_000

/** Serves the feed as server-sent events (WHATWG HTML §9.2); the `id` of each is its cursor. */
export function eventStreams(
  context: Pick<Context, 'database' | 'merchant' | 'clock'>,
  { pollMs = POLL_MS, lifeMs = LIFE_MS }: { pollMs?: number; lifeMs?: number } = {},
): EventStreams {
  const open = new Map<Readable, { readonly ending: AbortController; readonly actor: string }>()
  return {
    open: (actor, from, names) => {
      if ([...open.values()].filter((one) => one.actor === actor).length >= STREAMS_OF_CALLER_MAX) {
        return refuse('streams_full', `A caller has at most ${STREAMS_OF_CALLER_MAX} streams open.`)
      }
      if (open.size >= STREAMS_MAX) {
        return refuse('overloaded', 'As many streams are open as may be.')
      }
      const ending = new AbortController()
      const frames = framesOf(context, { from, names, pollMs, lifeMs, ending: ending.signal })
      const stream = streamOf(frames, ending)
      open.set(stream, { ending, actor })
      stream.once('close', () => open.delete(stream))
      return accept(stream)
    },
    count: () => open.size,
    close: () => {
      for (const { ending } of open.values()) ending.abort()
    },
  }
}

// Not `Readable.from`: that waits for the generator before it closes, and this one may be waiting.
function streamOf(frames: AsyncGenerator<string>, ending: AbortController): Readable {
  const stream = new Readable({
    highWaterMark: 64 * 1024,
    read: () => {
      frames.next().then(
        ({ done, value }) => stream.push(done ? null : value),
        (fault: Error) => stream.destroy(fault),
      )
    },
    destroy: (fault, closed) => {
      ending.abort()
      closed(fault)
    },
  })
  return stream
}

async function* framesOf(
  context: Pick<Context, 'database' | 'merchant' | 'clock'>,
  stream: {
    from: FeedCursor
    names: ReadonlySet<EventName>
    pollMs: number
    lifeMs: number
    ending: AbortSignal
  },
): AsyncGenerator<string> {
  const { clock } = context
  const { names, ending } = stream
  const endMs = clock.monotonicMs() + stream.lifeMs
  let cursor = stream.from
  let spokeMs = clock.monotonicMs()
  yield 'retry: 1000\n\n'
  while (!ending.aborted && clock.monotonicMs() < endMs) {
    const page = await listEvents(context, cursor, { names, limit: PAGE })
    cursor = page.next
    if (page.items.length > 0) {
      spokeMs = clock.monotonicMs()
      yield page.items.map((one) => frame(one.event, cursorText(one.cursor))).join('')
    } else if (clock.monotonicMs() - spokeMs > HEARTBEAT_MS) {
      spokeMs = clock.monotonicMs()
      // An id without data moves the reader's place and tells it nothing.
      yield `id: ${cursorText(cursor)}\n:\n\n`
    }
    if (page.isEnd) await pause(stream.pollMs, ending)
  }
}

const frame = (event: { readonly type: string }, id: string): string =>
  `id: ${id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`

function pause(ms: number, ending: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      ending.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    ending.addEventListener('abort', done)
  })
}
