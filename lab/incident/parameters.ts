/**
 * What the scenario may choose freely. The report gives outcomes and not the shop behind them, so
 * these are calibrated until the unguarded world measures the report's figures at the default seed;
 * the guards of either world are no parameter. All of it is printed with the result.
 */
export type Parameters = {
  readonly orders: number
  /** Share of orders that the review rules hold, 0 to 1. */
  readonly heldShare: number
  /** Order lines beside the one of the watched SKU. */
  readonly linesPerOrder: number
  /** SKUs beside the watched one. */
  readonly skus: number
  /** Units in stock beyond what is ordered, of each SKU. */
  readonly slackUnits: number
  /** Share of orders with one unit of the watched SKU, and its units beyond what is ordered. */
  readonly watchedShare: number
  readonly watchedSlackUnits: number
  /** Orders of one hand-over, as the product sends them. */
  readonly handOverOrders: number
  /** The relay re-encodes hand-overs of more orders than this. */
  readonly relayOrdersMax: number
  /** Orders of one dispatch of the unguarded world. */
  readonly dispatchOrders: number
  /** Dispatches that partners take without answering: among the first so many of each. */
  readonly lostAnswers: number
  readonly lostAmong: number
  /** How long a partner stays silent, and how long the unguarded sender waits, in milliseconds. */
  readonly silenceMs: number
  readonly unguardedTimeoutMs: number
}

/** The scenario at its calibrated setting. */
export const CALIBRATED: Parameters = {
  orders: 1_200,
  heldShare: 0.31,
  linesPerOrder: 7,
  skus: 906,
  slackUnits: 1,
  watchedShare: 0.6,
  watchedSlackUnits: 95,
  handOverOrders: 400,
  relayOrdersMax: 100,
  dispatchOrders: 25,
  lostAnswers: 23,
  lostAmong: 20,
  silenceMs: 200,
  unguardedTimeoutMs: 20_000,
}

/** The seed at which the parameters were calibrated: the day of the incident. */
export const DEFAULT_SEED = 20_260_207

/** The SKU that the report names. */
export const WATCHED_SKU = 'ELEC-TV-55-SAM'
