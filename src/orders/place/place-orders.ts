import { batchLane, newId, refuse } from '#kernel/index.ts'
import type { BatchLane, Refusal } from '#kernel/index.ts'
import { isExpectationFailed, withPipelinedCommit, withTransaction } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import type { FlagReader } from '#flags/index.ts'
import { count } from '#telemetry/index.ts'
import type { ReviewKey } from '#wire/index.ts'
import { RunAgain } from './claim-orders.ts'
import type { PlaceItem } from './place-item.ts'
import { decidedUnder } from './decided-under.ts'
import type { DecidedUnder } from './decided-under.ts'
import type { PlacedOrder, PlaceOutcome, PlaceRequest } from './place-request.ts'
import { loadPlaced } from './load-placed.ts'
import { placeBatch } from './place-batch.ts'
import type { WholeFacts } from './gather-facts.ts'
import { placingMemory } from './placing-memory.ts'
import { isHoldReason } from '../review.ts'
import { unreadReporter } from '../watch-rules.ts'
import type { PlacingMemory } from './placing-memory.ts'

/** What placing needs beside the database. */
export type PlacingDeps = {
  readonly context: Context
  readonly flags: FlagReader
  readonly reviewKey: ReviewKey
}

/** The one lane through which a process places orders. */
export type OrderPlacing = {
  /** Places one order; refuses `overloaded` where the queue is full. Faults reject. */
  readonly place: (request: PlaceRequest) => Promise<PlaceOutcome>
  /** What the first answer said of an order that exists. */
  readonly recall: (orderId: string) => Promise<PlacedOrder | undefined>
  readonly idle: () => Promise<void>
  readonly depth: () => number
  readonly deps: PlacingDeps
}

/** Orders a transaction; a wholesale order weighs its lines, so that a batch stays near 6,000 rows. */
const BATCH_ORDERS_MAX = 256
const BATCH_LINES_MAX = 6_000
/** Orders that may wait in the lane of a process. */
export const QUEUE_MAX = 4_096

/** Opens the lane. Concurrent requests share a transaction; none waits for a timer. */
export function orderPlacing(deps: PlacingDeps): OrderPlacing {
  const memory = placingMemory(deps.context.clock)
  const onUnread = unreadReporter(deps.context)
  const lane: BatchLane<PlaceRequest, PlaceOutcome> = batchLane({
    batchMax: BATCH_ORDERS_MAX,
    queueMax: QUEUE_MAX,
    weigh: (request) => request.input.lines.length,
    weightMax: BATCH_LINES_MAX,
    run: (requests, onCommitSent) =>
      placeOrders(deps, requests, { onCommitSent, memory, onUnread }),
  })
  return {
    place: (request) => lane.submit(request) ?? Promise.resolve(refused(OVERLOADED)),
    recall: (orderId) => recallPlaced(deps, orderId),
    idle: lane.idle,
    depth: lane.depth,
    deps,
  }
}

const OVERLOADED = refuse('overloaded', 'Too many orders wait; try again in a moment.').refusal

/** How the lane of a process has its batches placed. */
export type PlacingRun = {
  /** Called when a commit has been sent: another batch may begin, what both want waits in the database. */
  readonly onCommitSent?: () => void
  /** What the process remembers; without it everything is asked for. */
  readonly memory?: PlacingMemory
  /** Called with each batch that was held because stored rules or flags are not of this build. */
  readonly onUnread?: () => void
}

/**
 * Places a batch in one transaction, each order wholly or not at all. Twins within the batch wait for
 * their first; a refusal that had claimed a key or reference rolls back and runs again without it.
 */
export async function placeOrders(
  deps: PlacingDeps,
  requests: readonly PlaceRequest[],
  run: PlacingRun = {},
): Promise<readonly PlaceOutcome[]> {
  const outcomes = new Map<number, PlaceOutcome>()
  let waiting = requests.map(toItem)
  // Twins of those that were placed meet names that exist: they ask.
  for (let mayRemember = true; waiting.length > 0; mayRemember = false) {
    const { first, twins } = withoutTwins(waiting)
    for (const [item, outcome] of await placeUntilSettled(deps, first, run, mayRemember))
      outcomes.set(item.index, outcome)
    waiting = twins
  }
  return requests.map((_, index) => outcomes.get(index) ?? refused(UNANSWERED))
}

const UNANSWERED = refuse('internal', 'The order was not answered.').refusal

/**
 * Places exactly one order inside a transaction that the caller owns (a checkout being completed); what it
 * is decided under was asked for before that began.
 */
export async function placeWithin(
  tx: Transaction,
  deps: PlacingDeps,
  request: PlaceRequest,
  { orderId, under }: { orderId: string; under: DecidedUnder },
): Promise<PlaceOutcome> {
  const item = { ...toItem(request, 0), orderId }
  const { outcomes, written } = await placeBatch(tx, deps, [item], { under })
  await written
  return outcomes.get(item) ?? refused(UNANSWERED)
}

async function recallPlaced(deps: PlacingDeps, orderId: string): Promise<PlacedOrder | undefined> {
  const found = await withTransaction(deps.context.database, (tx) =>
    loadPlaced(tx, deps.context.merchant, [orderId]),
  )
  return found.get(orderId)
}

function toItem(request: PlaceRequest, index: number): PlaceItem {
  return {
    index,
    request,
    reference: request.isTrusted ? (request.input.order_id ?? null) : null,
    orderId: newId('ord'),
    isKnown: false,
  }
}

function withoutTwins(items: readonly PlaceItem[]): { first: PlaceItem[]; twins: PlaceItem[] } {
  const seen = new Set<string>()
  const first: PlaceItem[] = []
  const twins: PlaceItem[] = []
  for (const item of items) {
    const { idempotency } = item.request
    const names = [
      ...(idempotency ? [`key ${idempotency.scope}\n${idempotency.key}`] : []),
      ...(item.reference === null ? [] : [`ref ${item.reference}`]),
    ]
    const isTwin = names.some((name) => seen.has(name))
    for (const name of names) seen.add(name)
    if (isTwin) twins.push(item)
    else first.push(item)
  }
  return { first, twins }
}

async function placeUntilSettled(
  deps: PlacingDeps,
  items: readonly PlaceItem[],
  run: PlacingRun,
  isFirstRound: boolean,
): Promise<ReadonlyMap<PlaceItem, PlaceOutcome>> {
  const settled = new Map<PlaceItem, PlaceOutcome>()
  let open = [...items]
  // So does what was rolled back once.
  let mayRemember = isFirstRound
  while (open.length > 0) {
    const batch = open
    const answers = await runBatch(deps, batch, run, mayRemember)
    for (const [item, outcome] of answers) settled.set(item, outcome)
    open = batch.filter((item) => !settled.has(item))
    mayRemember = false
  }
  return settled
}

// By memory where it can be. What was wrong has written nothing: the same batch goes again by asking.
async function runBatch(
  deps: PlacingDeps,
  batch: readonly PlaceItem[],
  run: PlacingRun,
  mayRemember: boolean,
): Promise<ReadonlyMap<PlaceItem, PlaceOutcome>> {
  const remembered = mayRemember ? run.memory?.factsFor(batch) : undefined
  if (remembered) {
    try {
      const outcomes = await tryBatch(deps, batch, run, remembered)
      run.memory?.judge(true)
      count('holdfast_intake_batches_total', { way: 'remembered' })
      return outcomes
    } catch (fault) {
      if (!isExpectationFailed(fault)) throw fault
      run.memory?.judge(false)
      count('holdfast_intake_batches_total', { way: 'failed' })
    }
  }
  count('holdfast_intake_batches_total', { way: 'asked' })
  return tryBatch(deps, batch, run)
}

// Rolled back: the refused are answered, the rest go again. Committed: everybody is answered.
async function tryBatch(
  deps: PlacingDeps,
  batch: readonly PlaceItem[],
  { onCommitSent, memory, onUnread }: PlacingRun,
  remembered?: WholeFacts,
): Promise<ReadonlyMap<PlaceItem, PlaceOutcome>> {
  let refusals: ReadonlyMap<PlaceItem, Refusal> = new Map()
  const decideWith = { under: await decidedUnder(deps), remembered, memory }
  try {
    const place = async (tx: Transaction) => {
      const { outcomes: value, written, ...result } = await placeBatch(tx, deps, batch, decideWith)
      if (result.isUnread) onUnread?.()
      if (result.mustUndo) {
        refusals = result.refusals
        throw new RunAgain('a refused order had claimed its names')
      }
      return { value, written }
    }
    const outcomes = await withPipelinedCommit(deps.context.database, place, onCommitSent)
    countVerdicts(outcomes)
    return outcomes
  } catch (fault) {
    if (!(fault instanceof RunAgain)) throw fault
    return new Map([...refusals].map(([item, refusal]) => [item, refused(refusal)]))
  }
}

function countVerdicts(outcomes: ReadonlyMap<PlaceItem, PlaceOutcome>): void {
  const placed = [...outcomes.values()].flatMap((one) => (one.kind === 'placed' ? [one.order] : []))
  const cleared = placed.filter((order) => order.verdict === 'clear')
  if (cleared.length > 0) count('order_auto_approved_total', {}, cleared.length)
  for (const reason of placed.flatMap((order) => order.reasons)) {
    if (isHoldReason(reason)) count('holdfast_rule_holds_total', { reason })
  }
}

function refused(refusal: Refusal): PlaceOutcome {
  return { kind: 'refused', refusal }
}
