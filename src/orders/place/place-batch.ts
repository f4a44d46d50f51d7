import { invariant } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { appendEvents, change } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import type { CatalogPrice } from '#catalog/index.ts'
import { lockFreeStock, releaseStock, reserveFrom } from '#inventory/index.ts'
import type { Allocation, SellableStock } from '#inventory/index.ts'
import { orderDigest, orderIdentity } from '#wire/index.ts'
import { nameOf, skusOf } from './place-item.ts'
import type { PlaceItem } from './place-item.ts'
import type { DecidedUnder } from './decided-under.ts'
import { gatherFacts } from './gather-facts.ts'
import type { Sources } from './gather-facts.ts'
import { chargesMinor, goodsMinor } from '../order-line.ts'
import type { OrderLine } from '../order-line.ts'
import { loadKnown } from './load-placed.ts'
import { insertOrders } from './place-statements.ts'
import { dropUndefined } from './place-request.ts'
import type { PlacedOrder, PlaceOutcome } from './place-request.ts'
import type { PlacingDeps } from './place-orders.ts'
import { priceOrder } from './price-order.ts'
import { promiseOf, shipByText } from '../promise/promise.ts'
import type { OrderPromise } from '../promise/promise.ts'
import { recordDecisions } from '../record-decisions.ts'
import { review } from '../review.ts'
import type { Verdict } from '../review.ts'
import type { RuleSet } from '../rule-set.ts'

/** What a batch did: an outcome for each item, and whether its transaction must not commit. */
export type BatchResult = {
  readonly outcomes: ReadonlyMap<PlaceItem, PlaceOutcome>
  readonly refusals: ReadonlyMap<PlaceItem, Refusal>
  readonly mustUndo: boolean
  /** True if stored rules or flags are not of this build: then no order of the batch was cleared. */
  readonly isUnread: boolean
  /** The last writes, sent and not yet answered: to be awaited with the commit. */
  readonly written: Promise<unknown>
}

type NewOrder = {
  readonly item: PlaceItem
  readonly lines: readonly OrderLine[]
  readonly goods: number
  readonly total: number
  readonly shipTo: Record<string, string>
  readonly customer: string | null
  readonly country: string | null
  readonly digest: Buffer
  readonly identity: string
  readonly verdict: Verdict
} & OrderPromise

type Reserved = ReadonlyMap<PlaceItem, readonly Allocation[]>

/** What a batch is decided under, and where its facts come from. */
export type DecideWith = Sources & { readonly under: DecidedUnder }

/**
 * Claim names, price, reserve, review, write: one batch inside the caller's transaction. What does not wait
 * for another's answer travels together: two round trips where the facts are asked for, one with the commit
 * where they are remembered; then the transaction fails (`isExpectationFailed`) where they are not so.
 */
export async function placeBatch(
  tx: Transaction,
  deps: PlacingDeps,
  items: readonly PlaceItem[],
  { under, ...sources }: DecideWith,
): Promise<BatchResult> {
  const { merchant } = deps.context
  const refusals = new Map<PlaceItem, Refusal>()
  const gathered = await gatherFacts(tx, merchant, items, sources)
  const { products, rules, stock } = gathered.facts
  if (gathered.kind === 'asked') keepRefusals(gathered.claims, refusals)
  const fresh = items.filter((item) => !item.isKnown && !refusals.has(item))
  const priced = priceAll(fresh, products, refusals)
  const { written, reserved } = await reserveAll(tx, merchant, priced, { stock, refusals })
  invariant(gathered.kind === 'asked' || refusals.size === 0, 'nobody is refused on a memory')
  const isUnread = rules.unread.length > 0 || under.approval === 'rules_unread'
  const placeable = [...priced].filter(([item]) => !refusals.has(item))
  const mustUndo = [...refusals.keys()].some(holdsNames)
  if (mustUndo) {
    await written
    return { outcomes: new Map(), refusals, mustUndo, written, isUnread }
  }
  const { placed, written: recorded } = writeOrders(tx, deps, placeable, {
    rules,
    under,
    reserved,
  })
  const confirmed = gathered.kind === 'expected' ? gathered.confirmed : undefined
  const sent = Promise.all([confirmed, written, recorded])
  // Whoever awaits it hears of a fault; where reading the known fails first, nobody does.
  sent.catch(() => undefined)
  const known = await loadKnown(tx, merchant, items)
  const outcomes = new Map<PlaceItem, PlaceOutcome>()
  for (const [item, order] of placed) outcomes.set(item, { kind: 'placed', order })
  for (const [item, order] of known) outcomes.set(item, { kind: 'replayed', order })
  for (const [item, refusal] of refusals) outcomes.set(item, { kind: 'refused', refusal })
  return { outcomes, refusals, mustUndo: false, written: sent, isUnread }
}

// A refused order leaves no trace: what it claimed must be rolled back, since guards are never deleted.
function holdsNames(item: PlaceItem): boolean {
  return item.request.idempotency !== undefined || item.reference !== null
}

function keepRefusals(
  answers: ReadonlyMap<PlaceItem, Outcome<unknown>>,
  refusals: Map<PlaceItem, Refusal>,
): void {
  for (const [item, answer] of answers) if (!answer.ok) refusals.set(item, answer.refusal)
}

function priceAll(
  items: readonly PlaceItem[],
  found: readonly CatalogPrice[],
  refusals: Map<PlaceItem, Refusal>,
): ReadonlyMap<PlaceItem, readonly OrderLine[]> {
  const products = new Map(found.map((product) => [product.sku, product]))
  const priced = new Map<PlaceItem, readonly OrderLine[]>()
  for (const item of items) {
    const outcome = priceOrder(item.request, products)
    if (outcome.ok) priced.set(item, outcome.value)
    else refusals.set(item, outcome.refusal)
  }
  return priced
}

async function reserveAll(
  tx: Transaction,
  merchant: string,
  priced: ReadonlyMap<PlaceItem, readonly OrderLine[]>,
  context: { stock: SellableStock | undefined; refusals: Map<PlaceItem, Refusal> },
): Promise<{ readonly written: Promise<void>; readonly reserved: Reserved }> {
  const items = [...priced.keys()]
  for (const { request, orderId } of items) {
    const { checkoutId } = request
    if (checkoutId) await releaseStock(tx, merchant, [{ subjectId: checkoutId, sourceId: orderId }])
  }
  const locked = context.stock ?? (await lockFreeStock(tx, merchant, skusOf(items)))
  const requests = items.map((item) => ({
    subjectId: item.orderId,
    maySplit: true,
    lines: (priced.get(item) ?? []).map(({ line, sku, qty }) => ({ lineNo: line, sku, qty })),
  }))
  const { answers, written } = reserveFrom(tx, merchant, locked, requests)
  const reserved = new Map<PlaceItem, readonly Allocation[]>()
  for (const [index, item] of items.entries()) {
    const answer = answers[index]
    if (answer && !answer.ok) context.refusals.set(item, answer.refusal)
    else if (answer) reserved.set(item, answer.value)
  }
  return { written, reserved }
}

type Author = { readonly rules: RuleSet; readonly under: DecidedUnder }

function writeOrders(
  tx: Transaction,
  deps: PlacingDeps,
  priced: readonly (readonly [PlaceItem, readonly OrderLine[]])[],
  author: Author & { readonly reserved: Reserved },
): { readonly placed: ReadonlyMap<PlaceItem, PlacedOrder>; readonly written: Promise<unknown> } {
  if (priced.length === 0) return { placed: new Map(), written: Promise.resolve() }
  const { merchant } = deps.context
  const { rules, under, reserved } = author
  const orders = priced.map(([item, lines]) => makeOrder(deps, item, lines, author))
  const decisions = orders.map((order) => ({
    orderId: order.item.orderId,
    orderNumber: orderNumber(order.item.orderId),
    allocations: reserved.get(order.item) ?? [],
    identity: order.identity,
    lines: order.lines,
    number: 1,
    revision: 1,
    orderDigest: order.digest,
    shipByMs: order.shipByMs,
    verdict: order.verdict,
    effectiveAtMs: rules.now_ms,
    strata: {
      source: order.item.request.source,
      lines: order.lines.length,
      batch: orders.length,
    },
  }))
  const written = Promise.all([
    change(tx, insertOrders, orderRows(merchant, orders, rules.now_ms)),
    recordDecisions(tx, merchant, deps.reviewKey, decisions, {
      decidedBy: 'rules',
      actor: 'service:orders',
      ruleVersion: rules.version,
      flagSetVersion: under.flagSetVersion,
      provenanceId: under.id,
    }),
    appendEvents(tx, merchant, orders.map(placedEvent)),
  ])
  return { placed: new Map(orders.map((order) => [order.item, toPlaced(order)])), written }
}

function makeOrder(
  deps: PlacingDeps,
  item: PlaceItem,
  lines: readonly OrderLine[],
  { rules: { rules, promise, now_ms: nowMs }, under }: Author,
): NewOrder {
  const { input, isTrusted, submittedHold } = item.request
  const goods = goodsMinor(lines)
  const country = input.country ?? input.ship_to?.country ?? null
  const customer = isTrusted ? (input.customer ?? null) : null
  const shipTo = dropUndefined({
    ...input.ship_to,
    country: input.ship_to?.country ?? input.country ?? undefined,
  })
  const quantityMax = lines.reduce((max, line) => Math.max(max, line.qty), 0)
  return {
    item,
    lines,
    goods,
    total: goods + chargesMinor(isTrusted ? input.charges : undefined),
    shipTo,
    customer,
    country,
    digest: orderDigest({
      merchant: deps.context.merchant,
      orderId: item.orderId,
      currency: input.currency,
      lines: lines.map((line) => ({ lineId: String(line.line), sku: line.sku, qty: line.qty })),
      shipTo,
    }),
    identity: orderIdentity(deps.context.merchant, nameOf(item)),
    verdict: review({ goodsMinor: goods, quantityMax, customer, country }, rules, {
      submittedHold,
      heldBefore: false,
      approval: under.approval,
    }),
    ...promiseOf(isTrusted ? input.ship_by : undefined, nowMs, promise),
  }
}

function orderRows(merchant: string, orders: readonly NewOrder[], nowMs: number) {
  const now = new Date(nowMs).toISOString()
  const inputs = orders.map((order) => order.item.request)
  return {
    merchant,
    ids: orders.map((order) => order.item.orderId),
    numbers: orders.map((order) => orderNumber(order.item.orderId)),
    refs: orders.map((order) => order.item.reference),
    sources: inputs.map((request) => request.source),
    customers: orders.map((order) => order.customer),
    countries: orders.map((order) => order.country),
    currencies: inputs.map((request) => request.input.currency),
    lines: orders.map((order) => JSON.stringify(order.lines)),
    charges: inputs.map(({ input, isTrusted }) =>
      isTrusted && input.charges ? JSON.stringify(input.charges) : null,
    ),
    goods: orders.map((order) => order.goods),
    totals: orders.map((order) => order.total),
    ship_tos: orders.map((order) => JSON.stringify(order.shipTo)),
    digests: orders.map((order) => order.digest),
    placed: inputs.map(({ input, isTrusted }) => (isTrusted ? (input.placed_at ?? now) : now)),
    ship_bys: orders.map((order) => new Date(order.shipByMs)),
    promise_versions: orders.map((order) => order.promiseVersion),
    identities: orders.map((order) => order.identity),
  }
}

// The last 60 random bits of the id: unique in practice, short enough to say on the phone.
function orderNumber(orderId: string): string {
  return `HF-${orderId.slice(-12).toUpperCase()}`
}

function placedEvent(order: NewOrder) {
  return {
    subjectId: order.item.orderId,
    kind: 'order.placed',
    data: {
      verdict: order.verdict.kind,
      ...(order.verdict.kind === 'hold' ? { reasons: order.verdict.reasons } : {}),
      goods_minor: order.goods,
      lines: order.lines.length,
      ship_by: shipByText(order.shipByMs),
      ...(order.item.reference ? { reference: order.item.reference } : {}),
    },
  }
}

function toPlaced(order: NewOrder): PlacedOrder {
  return {
    id: order.item.orderId,
    orderNumber: orderNumber(order.item.orderId),
    reference: order.item.reference,
    verdict: order.verdict.kind,
    reasons: order.verdict.kind === 'hold' ? order.verdict.reasons : [],
    currency: order.item.request.input.currency,
    totalMinor: order.total,
    shipByMs: order.shipByMs,
    lines: order.lines,
  }
}
