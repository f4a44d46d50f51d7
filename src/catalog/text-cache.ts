import type { Clock } from '#kernel/index.ts'

/** Texts that may be a little old. */
export type TextCache<T> = {
  /** The remembered answer, or the one that `make` gives; callers who miss together make it once. */
  readonly get: (key: string, make: () => Promise<T>) => Promise<T>
}

/** Remembers at most `entriesMax` answers for `freshMs`, and lets go of the one unused longest. */
export function textCache<T>(options: {
  readonly clock: Clock
  readonly freshMs: number
  readonly entriesMax: number
}): TextCache<T> {
  const entries = new Map<string, { readonly answer: Promise<T>; readonly untilMs: number }>()
  return {
    get: (key, make) => {
      const nowMs = options.clock.monotonicMs()
      const found = entries.get(key)
      entries.delete(key)
      if (found && found.untilMs > nowMs) {
        entries.set(key, found)
        return found.answer
      }
      const oldest = entries.size >= options.entriesMax ? entries.keys().next().value : undefined
      if (oldest !== undefined) entries.delete(oldest)
      const answer = make()
      const entry = { answer, untilMs: nowMs + options.freshMs }
      entries.set(key, entry)
      // A failure is not an answer: the next caller asks again.
      answer.catch(() => entries.get(key) === entry && entries.delete(key))
      return answer
    },
  }
}
