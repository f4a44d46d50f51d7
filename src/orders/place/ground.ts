import type { Outcome } from '#kernel/index.ts'
import type { Transaction } from '#platform/index.ts'
import { expectPrices, productsForSkus } from '#catalog/index.ts'
import { lockFreeStock } from '#inventory/index.ts'
import { currentRules, expectRules } from '../rule-set.ts'
import { claimFresh, claimOrders, skusOf } from './claim-orders.ts'
import type { PlaceItem } from './claim-orders.ts'
import type { Foresight, Ground } from './foresight.ts'

/** The ground under a batch inside its transaction. */
export type Standing = Ground & {
  /** Items that must be refused, or `isKnown` by now. Empty where all are taken to be new. */
  readonly claims: ReadonlyMap<PlaceItem, Outcome<unknown>>
  /** True where nothing was asked: then nobody may be refused, and the database has the last word. */
  readonly isForeseen: boolean
  /** What was said to the database and not yet answered: to be awaited with the commit. */
  readonly upheld: Promise<unknown>
}

/**
 * Claims the names of a batch, locks its stock and gives the ground to decide upon: from memory where all of
 * it is remembered, so that no answer is waited for, else by one round trip.
 */
export async function standOn(
  tx: Transaction,
  merchant: string,
  items: readonly PlaceItem[],
  foresight?: Foresight,
): Promise<Standing> {
  const foreseen = foresight?.foresee(items)
  if (foresight && foreseen) return uphold(tx, merchant, items, foreseen, foresight.learn)
  const asked = await ask(tx, merchant, items)
  foresight?.learn(asked)
  return asked
}

async function ask(
  tx: Transaction,
  merchant: string,
  items: readonly PlaceItem[],
): Promise<Standing> {
  const [claims, products, rules, stock] = await Promise.all([
    claimOrders(tx, merchant, items),
    productsForSkus(tx, merchant, skusOf(items)),
    currentRules(tx, merchant),
    claimsInOneStatement(items) ? lockFreeStock(tx, merchant, skusOf(items)) : undefined,
  ])
  return { claims, products, rules, stock, isForeseen: false, upheld: Promise.resolve() }
}

// The same statements in the same order as one who asks, so that both wait for each other and never in a
// ring; each fails the transaction where what is remembered is not so. What they answer is remembered.
function uphold(
  tx: Transaction,
  merchant: string,
  items: readonly PlaceItem[],
  ground: Ground,
  learn: Foresight['learn'],
): Standing {
  const { products, rules } = ground
  const upheld = Promise.all([
    claimFresh(tx, merchant, items),
    expectPrices(tx, merchant, products),
    expectRules(tx, merchant, rules),
    lockFreeStock(tx, merchant, skusOf(items)),
  ]).then(([, , now_ms, stock]) => learn({ products, rules: { ...rules, now_ms }, stock }))
  // Whoever awaits it hears of a fault; where deciding fails first, nobody does.
  upheld.catch(() => undefined)
  return { ...ground, claims: new Map(), isForeseen: true, upheld }
}

// Stock is locked after keys and references. Where a batch has only one kind of name, the lock can be
// sent right behind its claim; a checkout first gives back what it reserved.
function claimsInOneStatement(items: readonly PlaceItem[]): boolean {
  const hasKeys = items.some((item) => item.request.idempotency)
  const hasReferences = items.some((item) => item.reference !== null)
  return !(hasKeys && hasReferences) && items.every((item) => !item.request.checkoutId)
}
