import type { Log } from './context.ts'

/** What must end, in order: the last that was started ends first. */
export type Shutdown = {
  /** Registers the end of a part that has just started; while everything ends, or after, it ends at once. */
  readonly onShutdown: (name: string, end: () => Promise<void> | void) => void
  /** Ends everything once, newest first; resolves to true if each part so far ended in time. */
  readonly run: (reason: string) => Promise<boolean>
}

/**
 * Everything has ended after this time, in milliseconds: a service manager or a container gives ten
 * seconds before it kills, and the process itself needs some of them.
 */
const STOP_MAX_MS = 8_000
/** What every part has, however long those before it took. */
const PART_MIN_MS = 200

/**
 * Ends parts one after the other, all of them within `deadlineMs`. A part that hangs is passed after half of
 * what is left, so that it cannot take the time of those behind it; it is logged, as one that fails is.
 */
export function createShutdown(options: { log: Log; deadlineMs?: number }): Shutdown {
  const parts: { name: string; end: () => Promise<void> | void }[] = []
  const deadlineMs = options.deadlineMs ?? STOP_MAX_MS
  let running: Promise<void> | undefined
  let isClean = true
  let untilMs = 0
  const endAll = async (): Promise<void> => {
    for (let part = parts.pop(); part; part = parts.pop()) {
      const leftMs = untilMs - performance.now()
      const ownMs = parts.length === 0 ? leftMs : leftMs / 2
      const fault = await endWithin(part.end, Math.max(ownMs, PART_MIN_MS))
      if (fault === undefined) continue
      isClean = false
      options.log.error({ part: part.name, err: fault }, 'a part did not stop cleanly')
    }
  }
  const endFirst = async (reason: string): Promise<void> => {
    untilMs = performance.now() + deadlineMs
    options.log.info({ reason }, 'stopping')
    await endAll()
    options.log.info({ reason, clean: isClean }, 'stopped')
  }
  return {
    onShutdown: (name, end) => {
      parts.push({ name, end })
      // One that was starting when everything was told to end: nobody comes for it later.
      if (running) running = running.then(endAll)
    },
    run: async (reason) => {
      running ??= endFirst(reason)
      let awaited: Promise<void>
      do {
        awaited = running
        await awaited
      } while (awaited !== running)
      return isClean
    },
  }
}

/**
 * Ends on SIGINT, SIGTERM or SIGHUP, then calls `exit` with 0, or 1 where a part did not end. Begun before the
 * first part starts: `starting` is waited for, since what is half started must end too. A second Ctrl-C
 * exits at once with 1.
 */
export function shutdownOnSignals(
  shutdown: Shutdown,
  exit: (code: number) => void,
  starting: Promise<unknown> = Promise.resolve(),
): { readonly isStopping: () => boolean } {
  let isStopping = false
  const isSecond = secondInterrupt()
  const settled = starting.then(
    () => undefined,
    () => undefined,
  )
  const endAll = async (signal: string): Promise<void> => {
    const isClean = await shutdown.run(signal)
    await within(settled, STOP_MAX_MS / 2)
    // Again, for what the start has registered meanwhile.
    exit(isClean && (await shutdown.run(signal)) ? 0 : 1)
  }
  const stop = (signal: NodeJS.Signals): void => {
    if (isSecond(signal)) return exit(1)
    if (!isStopping) void endAll(signal)
    isStopping = true
  }
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop)
  return { isStopping: () => isStopping }
}

/** Two of them closer than this, in milliseconds, are one key press: npm passes on what the terminal sent to all. */
const SAME_PRESS_MS = 500

/**
 * Tells of each signal whether it is the second Ctrl-C, which means "at once". A SIGTERM before or after the
 * first does not: service managers signal a whole group, and launchers pass their own on.
 */
export function secondInterrupt(
  nowMs: () => number = () => performance.now(),
): (signal: NodeJS.Signals) => boolean {
  let firstMs: number | undefined
  return (signal) => {
    if (signal !== 'SIGINT') return false
    firstMs ??= nowMs()
    return nowMs() - firstMs > SAME_PRESS_MS
  }
}

async function endWithin(end: () => Promise<void> | void, deadlineMs: number): Promise<unknown> {
  const ended = Promise.resolve()
    .then(end)
    .then(
      () => undefined,
      (fault: unknown) => fault ?? new Error('failed without a reason'),
    )
  const late = new Error(`still running after ${Math.round(deadlineMs)} ms`)
  return within(ended, deadlineMs, late)
}

async function within<T, L>(work: Promise<T>, maxMs: number, late?: L): Promise<T | L | undefined> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<L | undefined>((resolve) => {
    timer = setTimeout(() => resolve(late), maxMs)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
