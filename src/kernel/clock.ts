/** Time as a parameter: production passes the system clock, simulation and tests a virtual one. */
export type Clock = {
  /** Wall time, milliseconds since the Unix epoch. */
  readonly nowMs: () => number
  /** Monotonic time in milliseconds, for leases and budgets; its zero means nothing. */
  readonly monotonicMs: () => number
}

/** The machine's own clock. */
export const systemClock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }
