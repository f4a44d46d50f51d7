import type { Outcome } from '#kernel/index.ts'
import type { Transaction } from '#platform/index.ts'
import { expectPrices, productsForSkus } from '#catalog/index.ts'
import type { CatalogPrice } from '#catalog/index.ts'
import { copyFree, lockFreeStock } from '#inventory/index.ts'
import type { SellableStock } from '#inventory/index.ts'
import { currentRules, expectRulesAndTime } from '../rule-set.ts'
import type { RuleSet } from '../rule-set.ts'
import { claimOrders, claimUnusedKeys } from './claim-orders.ts'
import { skusOf } from './place-item.ts'
import type { PlaceItem } from './place-item.ts'
import type { PlacingMemory } from './placing-memory.ts'

/** What a batch is decided upon. */
export type Facts = {
  readonly products: readonly CatalogPrice[]
  readonly rules: RuleSet
  /** Undefined where stock may be locked only after something else. */
  readonly stock: SellableStock | undefined
}

/** Facts with their stock. */
export type WholeFacts = Facts & { readonly stock: SellableStock }

/** The facts of a batch inside its transaction, in one of two ways to the same orders. */
export type Gathered =
  | {
      /** Read in this transaction: what they say is so. */
      readonly kind: 'asked'
      readonly facts: Facts
      /** Items that must be refused, or `isKnown` by now. */
      readonly claims: ReadonlyMap<PlaceItem, Outcome<unknown>>
    }
  | {
      /** Told to this transaction, which fails where they are not so: nobody may be refused on them. */
      readonly kind: 'expected'
      readonly facts: WholeFacts
      /** The answers to what was told: to be awaited with the commit. */
      readonly confirmed: Promise<void>
    }

/** Where the facts of a batch come from. */
export type Sources = {
  /** What the process remembers of this batch; absent where the database is to be asked. */
  readonly remembered?: WholeFacts | undefined
  /** Told what the database answers, in both ways. */
  readonly memory?: PlacingMemory | undefined
}

/** Claims the names of a batch, locks its stock and gives the facts to decide upon. */
export async function gatherFacts(
  tx: Transaction,
  merchant: string,
  items: readonly PlaceItem[],
  { remembered, memory }: Sources,
): Promise<Gathered> {
  const beganMs = memory?.startTimer() ?? 0
  if (remembered && memory) {
    // As late as can be: a wait for a connection, or an attempt before this one, is no time of the order.
    const rules = { ...remembered.rules, now_ms: memory.nowMs() }
    const { facts, answer } = expectFacts(tx, merchant, items, { ...remembered, rules })
    const confirmed = answer.then((told) => memory.learn(told, beganMs))
    // Whoever awaits it hears of a fault; where deciding fails first, nobody does.
    confirmed.catch(() => undefined)
    return { kind: 'expected', facts, confirmed }
  }
  const asked = await askFacts(tx, merchant, items)
  memory?.learn(asked.facts, beganMs)
  return { kind: 'asked', ...asked }
}

async function askFacts(
  tx: Transaction,
  merchant: string,
  items: readonly PlaceItem[],
): Promise<Pick<Extract<Gathered, { kind: 'asked' }>, 'facts' | 'claims'>> {
  const [claims, products, rules, stock] = await Promise.all([
    claimOrders(tx, merchant, items),
    productsForSkus(tx, merchant, skusOf(items)),
    currentRules(tx, merchant),
    claimsInOneStatement(items) ? lockFreeStock(tx, merchant, skusOf(items)) : undefined,
  ])
  return { claims, facts: { products, rules, stock } }
}

// The same locks in the same order as one who asks, so that the two wait for each other and never in a
// ring. The batch takes from a copy: the body of a transaction may be run again.
function expectFacts(
  tx: Transaction,
  merchant: string,
  items: readonly PlaceItem[],
  { products, rules, stock }: WholeFacts,
): { readonly facts: WholeFacts; readonly answer: Promise<Facts> } {
  const answer = Promise.all([
    claimUnusedKeys(tx, merchant, items),
    expectPrices(tx, merchant, products),
    expectRulesAndTime(tx, merchant, rules),
    lockFreeStock(tx, merchant, skusOf(items)),
  ]).then(([, , now_ms, locked]) => ({ products, rules: { ...rules, now_ms }, stock: locked }))
  const taken = { ...stock, free: copyFree(stock.free) }
  return { facts: { products, rules, stock: taken }, answer }
}

// Stock is locked after keys and references. Where a batch has only one kind of name, the lock can be
// sent right behind its claim; a checkout first gives back what it reserved.
function claimsInOneStatement(items: readonly PlaceItem[]): boolean {
  const hasKeys = items.some((item) => item.request.idempotency)
  const hasReferences = items.some((item) => item.reference !== null)
  return !(hasKeys && hasReferences) && items.every((item) => !item.request.checkoutId)
}
