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

/** Called by a run that has sent its last word: the next run may begin before its answer is here. */
export type LetNext = () => void

/** Two runs whose last word is on its way, and one behind them: it hides a flush that takes longer. */
const RUNNING_MAX = 3

/**
 * One lane: no timer, no delay when idle, at most `batchMax` items a run and `queueMax` waiting.
 * `run` answers every item in order; where it throws, every item of that batch is rejected. Runs
 * follow each other, but for a run that calls `letNext`: the next then overlaps with its end.
 * Lanes that do not wait for each other were measured to hurt: they queue on the same rows for as long as
 * they ask and are answered.
 */
export function batchLane<T, R>(options: {
  batchMax: number
  queueMax: number
  weigh?: (item: T) => number
  weightMax?: number
  run: (items: readonly T[], letNext: LetNext) => Promise<readonly R[]>
}): BatchLane<T, R> {
  const waiting: Waiting<T, R>[] = []
  const idlers: (() => void)[] = []
  const weightMax = options.weightMax ?? Number.POSITIVE_INFINITY
  let running = 0
  let isHeld = false
  let isYielding = false

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

  const startNext = (): void => {
    if (!isHeld && running < RUNNING_MAX && waiting.length > 0) void runOne(take())
  }

  const runOne = async (batch: readonly Waiting<T, R>[]): Promise<void> => {
    running += 1
    isHeld = true
    let isNewest = true
    const letNext = (): void => {
      if (!isNewest) return
      isNewest = false
      isHeld = false
      startNext()
    }
    try {
      const answers = await options.run(
        batch.map((one) => one.item),
        letNext,
      )
      invariant(answers.length === batch.length, 'a batch answers each of its items')
      for (const [index, answer] of answers.entries()) batch[index]?.resolve(answer)
    } catch (fault) {
      for (const one of batch) one.reject(fault)
    }
    running -= 1
    // One that let the next begin may end first, and then another may follow.
    if (isNewest) letNext()
    else startNext()
    if (running === 0 && waiting.length === 0) for (const resolve of idlers.splice(0)) resolve()
  }

  // Yields once, so that requests parsed in the same turn of the loop share a batch.
  const startSoon = (): void => {
    if (isYielding || isHeld) return
    isYielding = true
    setImmediate(() => {
      isYielding = false
      startNext()
    })
  }

  return {
    submit(item) {
      if (waiting.length >= options.queueMax) return undefined
      return new Promise<R>((resolve, reject) => {
        waiting.push({ item, resolve, reject })
        startSoon()
      })
    },
    depth: () => waiting.length,
    idle: () =>
      running > 0 || waiting.length > 0
        ? new Promise<void>((resolve) => idlers.push(resolve))
        : Promise.resolve(),
  }
}
