import type { Log } from './context.ts'

/** What must end, in order: the last that was started ends first. */
export type Shutdown = {
  /** Registers the end of a part that has just started; while everything ends, or after, it ends at once. */
  readonly onShutdown: (name: string, end: () => Promise<void> | void) => void
  /** Ends everything once, newest first; resolves to true where each part so far ended in time. */
  readonly run: (reason: string) => Promise<boolean>
}

/** Ends parts one after the other. A part that fails or outlives `deadlineMs` is logged and passed. */
export function createShutdown(options: { log: Log; deadlineMs?: number }): Shutdown {
  const parts: { name: string; end: () => Promise<void> | void }[] = []
  const deadlineMs = options.deadlineMs ?? 15_000
  let running: Promise<void> | undefined
  let isClean = true

  const endAll = async (): Promise<void> => {
    for (let part = parts.pop(); part; part = parts.pop()) {
      const fault = await endWithin(part.end, deadlineMs)
      if (fault === undefined) continue
      isClean = false
      options.log.error({ part: part.name, err: fault }, 'a part did not stop cleanly')
    }
  }
  const endFirst = async (reason: string): Promise<void> => {
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
 * Ends on SIGINT or SIGTERM, then calls `exit` with 0, or 1 where a part did not end. A SIGINT while
 * it ends exits at once with 1: whoever presses Ctrl-C twice means it. SIGTERM comes twice without
 * that meaning, since service managers signal a whole group and the launcher passes its own on.
 */
export function shutdownOnSignals(shutdown: Shutdown, exit: (code: number) => void): void {
  let isStopping = false
  const stop = (signal: NodeJS.Signals): void => {
    if (isStopping) {
      if (signal === 'SIGINT') exit(1)
      return
    }
    isStopping = true
    void shutdown.run(signal).then((isClean) => exit(isClean ? 0 : 1))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}

async function endWithin(end: () => Promise<void> | void, deadlineMs: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Error>((resolve) => {
    timer = setTimeout(() => resolve(new Error(`still running after ${deadlineMs} ms`)), deadlineMs)
  })
  const ended = Promise.resolve()
    .then(end)
    .then(
      () => undefined,
      (fault: unknown) => fault ?? new Error('failed without a reason'),
    )
  try {
    return await Promise.race([ended, late])
  } finally {
    clearTimeout(timer)
  }
}
