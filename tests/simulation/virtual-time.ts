/** A scheduler of simulated time: nothing waits, events happen in the order of their times. */
export type VirtualTime = {
  /** Milliseconds since the simulation began. */
  readonly nowMs: () => number
  readonly after: (delayMs: number, event: () => void) => void
  /** Runs events until none is left or the time is past `untilMs`; answers how many ran. */
  readonly run: (untilMs: number) => number
}

type Entry = { readonly atMs: number; readonly order: number; readonly event: () => void }

/** Opens an empty scheduler. Events of the same time run in the order in which they were made. */
export function virtualTime(): VirtualTime {
  const heap: Entry[] = []
  let nowMs = 0
  let made = 0
  return {
    nowMs: () => nowMs,
    after(delayMs, event) {
      made += 1
      push(heap, { atMs: nowMs + Math.max(0, delayMs), order: made, event })
    },
    run(untilMs) {
      let ran = 0
      for (let next = heap[0]; next !== undefined && next.atMs <= untilMs; next = heap[0]) {
        pop(heap)
        nowMs = next.atMs
        next.event()
        ran += 1
      }
      return ran
    },
  }
}

const isBefore = (a: Entry, b: Entry): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

// A binary heap: a simulated year has millions of events and few are due at once.
function push(heap: Entry[], entry: Entry): void {
  let index = heap.length
  heap.push(entry)
  while (index > 0) {
    const above = (index - 1) >> 1
    const parent = heap[above]
    if (parent === undefined || !isBefore(entry, parent)) break
    heap[index] = parent
    index = above
  }
  heap[index] = entry
}

function pop(heap: Entry[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let index = 0
  for (;;) {
    let below = index * 2 + 1
    const left = heap[below]
    const right = heap[below + 1]
    if (left === undefined) break
    if (right !== undefined && isBefore(right, left)) below += 1
    const child = heap[below]
    if (child === undefined || !isBefore(child, last)) break
    heap[index] = child
    index = below
  }
  heap[index] = last
}
