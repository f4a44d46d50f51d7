import { setTimeout as pause } from 'node:timers/promises'

const LOOK_EVERY_MS = 200

/** Looks until it holds. Throws with the name of what was awaited where it does not within `maxMs`. */
export async function waitUntil(
  what: string,
  maxMs: number,
  holds: () => Promise<boolean>,
): Promise<void> {
  const untilMs = performance.now() + maxMs
  while (!(await holds())) {
    if (performance.now() > untilMs) throw new Error(`${what}: not within ${maxMs / 1_000} s`)
    await pause(LOOK_EVERY_MS)
  }
}
