/** What one world is measured by. Counts, unless a name says otherwise. */
export type Figures = {
  readonly orders: number
  /** Share of orders that review held, and that fulfillment held in the end; 0 to 1. */
  readonly heldByReview: number
  readonly holdRate: number
  /** Orders that review held and a partner accepted all the same, by the partners' ledgers. */
  readonly unreviewedAccepted: number
  readonly dispatches: number
  readonly answersLost: number
  readonly duplicateBatches: number
  readonly partnersWithDuplicates: number
  readonly doubleFulfillments: number
  readonly keyReplays: number
  readonly negativeSkus: number
  /** Units of the watched SKU in the stock book. */
  readonly watchedUnits: number
}

/** What stopped something, by its code, and how often. */
export type Refused = {
  readonly what: string
  readonly code: string
  readonly times: number
}

/** The figures that the report of the incident gives; the others of `Figures` are not in it. */
export const REPORTED = {
  heldByReview: 0.31,
  holdRate: 0,
  duplicateBatches: 23,
  partnersWithDuplicates: 3,
  keyReplays: 0,
  negativeSkus: 847,
  watchedUnits: -234,
} as const satisfies Partial<Figures>
