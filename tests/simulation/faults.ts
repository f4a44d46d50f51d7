/** How often each fault strikes one exchange (0 to 1), and how long the slow ones last. */
export type FaultRates = {
  /** Nothing was written: name, connect or TLS. */
  readonly refused: number
  /** Written and never processed. */
  readonly lostRequest: number
  /** Processed, and the answer never arrived. */
  readonly lostAnswer: number
  /** The connection is cut; the partner processes what it had read up to `ghostMaxMs` later. */
  readonly ghost: number
  /** Processed, and answered 500. */
  readonly failedAfterCommit: number
  /** Answered 503, 409 or 429 without being processed. */
  readonly turnedAway: number
  /** A look-up says 404 although the partner has it, for as long as its replica lags. */
  readonly staleLookup: number
  /** The sender stands still between its last check and the first byte, up to `stallMaxMs`. */
  readonly stall: number
  /** The process dies: after the intent, after the send, or before the outcome is written. */
  readonly crash: number
  /** The commit of the intent fails in doubt: the row says `sending`, and nothing is sent. */
  readonly intentInDoubt: number
  /** Between two outages of the partner, at most; one lasts up to `outageMaxHours`. */
  readonly outageEveryHours: number
  readonly outageMaxHours: number
  readonly ghostMaxMs: number
  readonly stallMaxMs: number
  readonly lagMaxMs: number
}

const MINUTE = 60_000

/** Deliberately harsh: about one exchange in six meets something. Stalls stay inside the settle window. */
export const HARSH: FaultRates = {
  refused: 0.02,
  lostRequest: 0.02,
  lostAnswer: 0.02,
  ghost: 0.01,
  failedAfterCommit: 0.01,
  turnedAway: 0.02,
  staleLookup: 0.05,
  stall: 0.01,
  crash: 0.02,
  intentInDoubt: 0.002,
  outageEveryHours: 200,
  outageMaxHours: 30,
  ghostMaxMs: 14 * MINUTE,
  stallMaxMs: 14 * MINUTE,
  lagMaxMs: 45_000,
}
