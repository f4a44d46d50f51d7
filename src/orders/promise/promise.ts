/** The days of a week as policies and commands name them, Sunday first as `Date` counts. */
export const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
/** One of `WEEKDAYS`. */
export type Weekday = (typeof WEEKDAYS)[number]

/** How the promise of an order is made that brings none; versioned data of the shop. */
export type PromisePolicy = {
  /** 0 is the policy that is built in, until the shop sets one. */
  readonly version: number
  /** Working days between the day on which the order is taken and the day of the promise. */
  readonly handlingDays: number
  /** Never empty. */
  readonly workingDays: readonly Weekday[]
}

/** The policy of a new shop: two working days, Monday to Friday. */
export const INITIAL_PROMISE: PromisePolicy = {
  version: 0,
  handlingDays: 2,
  workingDays: ['mon', 'tue', 'wed', 'thu', 'fri'],
}

/** The promise of one order. */
export type OrderPromise = {
  /** Milliseconds since the epoch, whole seconds. */
  readonly shipByMs: number
  /** The version of the policy that made it; null where whoever placed the order said it. */
  readonly promiseVersion: number | null
}

/**
 * What was said, or else what the policy makes. Counted from now and not from when the buyer placed
 * it: old orders that are imported are not late at once.
 */
export function promiseOf(
  said: string | undefined,
  nowMs: number,
  policy: PromisePolicy,
): OrderPromise {
  if (said !== undefined) return { shipByMs: givenShipByMs(said), promiseVersion: null }
  return { shipByMs: promisedShipByMs(nowMs, policy), promiseVersion: policy.version }
}

const DAY_MS = 86_400_000

/**
 * The promise of an order taken at `takenAtMs`: the last second, in UTC, of the day that many working
 * days later. An order of a day off counts as taken on the next working day. Milliseconds, whole
 * seconds. Pure.
 */
export function promisedShipByMs(takenAtMs: number, policy: PromisePolicy): number {
  const isWorking = (day: number): boolean =>
    // 1 January 1970 was a Thursday.
    policy.workingDays.includes(WEEKDAYS[(day + 4) % 7] ?? 'sun')
  let day = Math.floor(takenAtMs / DAY_MS)
  let left = policy.handlingDays
  // At most a week of days off lies between two working days, since one of seven is worked.
  while (!isWorking(day) || left > 0) {
    if (isWorking(day)) left -= 1
    day += 1
  }
  return (day + 1) * DAY_MS - 1_000
}

/**
 * The instant that a given promise means, in milliseconds, whole seconds: a date its last second in
 * UTC, a time itself. The text was validated before.
 */
export function givenShipByMs(text: string): number {
  const instant = text.length === 10 ? `${text}T23:59:59Z` : text
  return Math.floor(Date.parse(instant) / 1_000) * 1_000
}

/** A promise as it stands outside: ISO 8601, UTC, whole seconds. */
export function shipByText(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}
