/**
 * The longest time until a request has its answer, in milliseconds, from the last byte of its body. Every
 * bound that a request meets on its way (`SERVING_WAITS`) is shorter, so that the answer names its cause.
 */
export const REQUEST_MAX_MS = 10_000

// A deadline is kept to within two beats.
const BEAT_MS = 250

type Wait = { readonly dueBeat: number; readonly onLate: () => void }

const waits = new Set<Wait>()
let beat = 0
let timer: NodeJS.Timeout | undefined

/**
 * Calls `onLate` after `limitMs`, unless the returned function is called first. One timer serves every wait
 * of the process: a statement costs an entry in a set. Time is counted in beats of this process, so that a
 * process that itself stood still does not take its own pause for the silence of others.
 */
export function startDeadline(limitMs: number, onLate: () => void): () => void {
  timer ??= setInterval(onBeat, BEAT_MS).unref()
  const wait = { dueBeat: beat + Math.ceil(limitMs / BEAT_MS) + 1, onLate }
  waits.add(wait)
  return () => void waits.delete(wait)
}

/** What `work` gives, or `late()` where it takes longer than `limitMs`; the work itself goes on. */
export function answerWithin<T>(work: Promise<T>, limitMs: number, late: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = startDeadline(limitMs, () => resolve(late()))
    work.then(resolve, reject).finally(end)
  })
}

function onBeat(): void {
  beat += 1
  // After the answers that are ready to be read: behind a pause they come first.
  setImmediate(endLate)
}

function endLate(): void {
  for (const wait of waits) {
    if (wait.dueBeat > beat) continue
    waits.delete(wait)
    wait.onLate()
  }
}
