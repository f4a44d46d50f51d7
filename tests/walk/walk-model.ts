// What a shop remembers of its own orders, and nothing else: the walk compares the platform with this
// small model and with the partners' own ledgers, never with our tables.

/** An order as the shop placed it. Each order has a SKU of its own, so that any ledger row names it. */
export type ShopOrder = {
  readonly tag: number
  readonly sku: string
  /** The shop's reference, or undefined for an order of the public form. */
  readonly reference: string | undefined
  readonly idempotencyKey: string
  readonly body: string
  /** Ours; a restored platform may give another one when the shop sends the order again. */
  id: string
  token: string
  /** What the shop was last answered. */
  verdict: 'hold' | 'clear'
  /** True once the answer to a cancellation was "done". */
  isCancelled: boolean
  /** A HOLD that was answered 201 while no partner had the order, and that nobody lifted. */
  isHeldByPerson: boolean
  /** Decided or changed by a person after the newest backup: a restore forgets that. */
  placedAtStep: number
  changedAtStep: number
}

/** What the walk knows of the shop. */
export type ShopModel = {
  step: number
  /** Restarts, stalls and restores so far; they cost seconds, so their number is bounded. */
  rareSteps: number
  readonly rareStepsMax: number
  readonly orders: ShopOrder[]
  readonly usedReturns: Map<string, string>
  /** The step of the newest copy of our database. */
  copiedAtStep: number | undefined
  flags: Map<string, boolean>
  counts: number
}

/** A shop that has placed nothing. */
export function newShop(rareStepsMax: number): ShopModel {
  return {
    step: 0,
    rareSteps: 0,
    rareStepsMax,
    orders: [],
    usedReturns: new Map(),
    copiedAtStep: undefined,
    flags: new Map(),
    counts: 0,
  }
}

/** The order that a number points at; undefined if the shop has none. */
export function orderAt(model: ShopModel, pick: number): ShopOrder | undefined {
  // Most picks go to a recent order: those are still on their way.
  const recent = Math.min(model.orders.length, 12)
  const isRecent = pick % 4 !== 0
  const from = isRecent ? model.orders.length - recent : 0
  const among = isRecent ? recent : model.orders.length
  return model.orders[from + ((pick >> 2) % Math.max(1, among))]
}
