import { listen } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { FLAGS } from './flag.ts'
import type { FlagAnswer, FlagKey, FlagReader } from './flag.ts'
import { readFlags } from './read-flags.ts'
import type { FlagSet } from './read-flags.ts'
import { FLAGS_CHANNEL } from './set-flag.ts'

/** A flag reader that runs; `refresh` reads now, `stop` ends its poll and its connection. */
export type RunningFlagReader = FlagReader & {
  readonly refresh: () => Promise<void>
  readonly stop: () => Promise<void>
}

const POLL_MS = 1_000
const STALE_MS = 10_000
/** The longest that a decision waits for the flags. */
const FRESHEN_MS = 2_000

/**
 * Reads the flags now, then each second and at each NOTIFY. Where they could not be read for 10 s,
 * every flag counts as its safe side until they can; a start without a database is no error.
 */
export async function startFlagReader(
  context: Pick<Context, 'database' | 'merchant' | 'clock' | 'log'>,
): Promise<RunningFlagReader> {
  const { clock, log } = context
  let set: FlagSet | undefined
  let readAtMs = 0
  let triedInVainAtMs = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let queued: Promise<void> | undefined
  let isStopped = false

  const readOnce = async (): Promise<void> => {
    const startedMs = clock.monotonicMs()
    try {
      const next = await readFlags(context.database, context.merchant)
      if (set && set.version !== next.version) log.info({ version: next.version }, 'flags changed')
      if (next.unknown.join() !== (set?.unknown.join() ?? ''))
        log.error({ flags: next.unknown }, UNKNOWN_FLAGS)
      set = next
      readAtMs = startedMs
    } catch (fault) {
      log.warn({ err: fault }, 'the flags could not be read')
    }
  }
  // A wake during a read is answered by one read more: it may tell of something younger.
  const readNext = async (): Promise<void> => {
    await running
    queued = undefined
    clearTimeout(timer)
    running = readOnce()
    await running
    clearTimeout(timer)
    if (!isStopped) timer = setTimeout(() => void refresh(), POLL_MS)
  }
  const refresh = (): Promise<void> => (queued ??= readNext())

  const isFresh = (): boolean => set !== undefined && clock.monotonicMs() - readAtMs <= STALE_MS
  const ask = (key: FlagKey): FlagAnswer => {
    if (!set || !isFresh()) return 'stale'
    if (set.unknown.length > 0) return 'unknown_flag'
    return (set.changes.get(key)?.value ?? FLAGS[key].initial) ? 'on' : 'off'
  }
  const freshen = async (): Promise<void> => {
    if (isFresh() || clock.monotonicMs() - triedInVainAtMs < POLL_MS) return
    await atMost(FRESHEN_MS, refresh())
    if (!isFresh()) triedInVainAtMs = clock.monotonicMs()
  }
  await refresh()
  const listener = listen(context.database, FLAGS_CHANNEL, () => void refresh())
  return {
    isOn: (key) =>
      isFresh() ? (set?.changes.get(key)?.value ?? FLAGS[key].initial) : FLAGS[key].safe,
    ask,
    freshen,
    version: () => set?.version ?? 0,
    refresh,
    stop: async () => {
      isStopped = true
      clearTimeout(timer)
      await listener.stop()
      await (queued ?? running)
      clearTimeout(timer)
    },
  }
}

const UNKNOWN_FLAGS =
  'the flags hold keys that this build does not know: while any is there, no rule clears an order here'

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, over])
  clearTimeout(timer)
}
