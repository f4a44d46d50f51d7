import { invariant } from './outcome.ts'

/** Natural batching: while one batch runs, what arrives waits and goes together in the next. */
export type BatchLane<T, R> = {
  /** Resolves with the item's own answer. `undefined` where the queue is full: the caller sheds. */
  readonly submit: (item: T) => Promise<R> | undefined
  /** Items waiting now. */
  readonly depth: () => number
  /** Resolves when nothing waits and nothing runs. */
  readonly idle: () => Promise<void>
}

type Waiting<T, R> = { item: T; resolve: (answer: R) => void; reject: (fault: unknown) => void }

/**
 * One lane: no timer, no delay when idle, at most `batchMax` items a run and `queueMax` waiting.
 * `run` answers every item in order; where it throws, every item of that batch is rejected.
 * More lanes than one were measured to hurt: they queue on the same rows.
 */
export function batchLane<T, R>(options: {
  batchMax: number
  queueMax: number
  weigh?: (item: T) => number
  weightMax?: number
  run: (items: readonly T[]) => Promise<readonly R[]>
}): BatchLane<T, R> {
  const waiting: Waiting<T, R>[] = []
  const idlers: (() => void)[] = []
  const weightMax = options.weightMax ?? Number.POSITIVE_INFINITY
  let isRunning = false

  const take = (): Waiting<T, R>[] => {
    let count = 0
    let weight = 0
    for (const next of waiting) {
      weight += options.weigh?.(next.item) ?? 0
      if (count > 0 && (count >= options.batchMax || weight > weightMax)) break
      count += 1
    }
    return waiting.splice(0, count)
  }

  const drain = async (): Promise<void> => {
    isRunning = true
    // Yield once, so that requests parsed in the same turn of the loop share the first batch.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (waiting.length > 0) await runOne(take())
    isRunning = false
    for (const resolve of idlers.splice(0)) resolve()
  }

  const runOne = async (batch: readonly Waiting<T, R>[]): Promise<void> => {
    try {
      const answers = await options.run(batch.map((one) => one.item))
      invariant(answers.length === batch.length, 'a batch answers each of its items')
      for (const [index, answer] of answers.entries()) batch[index]?.resolve(answer)
    } catch (fault) {
      for (const one of batch) one.reject(fault)
    }
  }

  return {
    submit(item) {
      if (waiting.length >= options.queueMax) return undefined
      return new Promise<R>((resolve, reject) => {
        waiting.push({ item, resolve, reject })
        if (!isRunning) void drain()
      })
    },
    depth: () => waiting.length,
    idle: () =>
      isRunning || waiting.length > 0
        ? new Promise<void>((resolve) => idlers.push(resolve))
        : Promise.resolve(),
  }
}
