import type { Clock } from '#kernel/index.ts'

/** Texts that may be a little old. */
export type TextCache<T> = {
  /** The remembered answer, or the one that `make` gives; callers who miss together make it once. */
  readonly get: (key: string, make: () => Promise<T>) => Promise<T>
  /** The remembered answer where it is here and fresh: for a caller that cannot wait. */
  readonly peek: (key: string) => T | undefined
}

type Entry<T> = { readonly answer: Promise<T>; readonly untilMs: number; here?: T }

/**
 * Remembers at most `entriesMax` answers for `freshMs`, and lets go of the oldest: the order of use is
 * not kept, since what lives a second is gone before that would tell anything.
 */
export function textCache<T>(options: {
  readonly clock: Clock
  readonly freshMs: number
  readonly entriesMax: number
}): TextCache<T> {
  const entries = new Map<string, Entry<T>>()
  // Its age counts from before it was asked for.
  const fresh = (key: string, nowMs: number): Entry<T> | undefined => {
    const found = entries.get(key)
    return found && found.untilMs > nowMs ? found : undefined
  }
  return {
    peek: (key) => fresh(key, options.clock.monotonicMs())?.here,
    get: (key, make) => {
      const nowMs = options.clock.monotonicMs()
      const found = fresh(key, nowMs)
      if (found) return found.answer
      // Put in anew where it was stale: the order of the map is that of age.
      entries.delete(key)
      const oldest = entries.size >= options.entriesMax ? entries.keys().next().value : undefined
      if (oldest !== undefined) entries.delete(oldest)
      const answer = make()
      const entry: Entry<T> = { answer, untilMs: nowMs + options.freshMs }
      entries.set(key, entry)
      answer.then(
        (value) => (entry.here = value),
        // A failure is not an answer: the next caller asks again.
        () => entries.get(key) === entry && entries.delete(key),
      )
      return answer
    },
  }
}
