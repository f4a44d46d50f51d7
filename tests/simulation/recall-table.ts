import { lineState, stateOf } from '#fulfillment/recall/settle-recall.ts'
import type { Unsettled } from '#fulfillment/recall/settle-recall.ts'
import type { RecallOutcome } from '#fulfillment/recall/classify-recall.ts'
import type { NextRecall } from '#fulfillment/recall/next-recall-state.ts'
import { isOpen } from './dispatch-table.ts'
import type { DispatchTable, Row, Wish } from './dispatch-table.ts'

/** A recall as its row in `fulfillment.recall` holds it, of a dispatch of one line. */
export type Recall = {
  readonly id: string
  readonly dispatchId: string
  readonly key: string
  readonly orderKey: string
  state: 'queued' | 'sending' | 'unknown' | 'needs_operator' | 'quarantined'
  attempt: number
  nextAttemptAt: number
  token: string | null
  leaseUntil: number | null
}

/** What the partner, or a person, said of the line. */
export type Told = {
  readonly isTombstone: boolean
  readonly outcome: RecallOutcome
  readonly askAgainMs: number
  readonly unsettled: Unsettled
}

const DOUBTFUL = new Set<Recall['state']>(['unknown', 'needs_operator', 'quarantined'])

/** An empty model of the statements of `src/fulfillment/recall`, over a table of dispatches of one line each. */
export function recallTable(world: {
  readonly nowMs: () => number
  readonly table: DispatchTable
  readonly wishes: Map<string, Wish>
  /** True where the parcels say that the goods of a dispatch left. */
  readonly hasLeft: (id: string) => boolean
  /** The line of a dispatch was given back: its stock is free. */
  readonly onFreed: (row: Row) => void
}) {
  const { nowMs, table, wishes, hasLeft } = world
  const open = new Map<string, Wish>()
  /** Recalls that are not answered, by id, and by their dispatch. */
  const recalls = new Map<string, Recall>()
  const underWay = new Map<string, Recall>()
  let made = 0
  const free = (row: Row): void => {
    if (!row.isClaimed) return
    row.isClaimed = false
    world.onFreed(row)
  }
  const closeOvertaken = (row: Row): boolean => {
    const wish = open.get(row.id)
    if (!wish || (row.isClaimed && !hasLeft(row.id))) return false
    wish.state = row.isClaimed ? 'too_late' : 'recalled'
    return open.delete(row.id)
  }
  const settleState = (row: Row, unsettled: Unsettled): boolean => {
    const wish = wishes.get(row.id)
    const standing = {
      live: row.isClaimed ? 1 : 0,
      recalled: row.isClaimed ? 0 : 1,
      open: isOpen(wish) || wish?.state === 'unknown_order' ? 1 : 0,
      too_late: wish?.state === 'too_late' ? 1 : 0,
      is_settled: row.isSettled,
    }
    return table.moveRecalled(row.id, stateOf(standing, unsettled), 'recall')
  }
  const drop = (recall: Recall): void => {
    recalls.delete(recall.id)
    underWay.delete(recall.dispatchId)
  }
  return {
    open,
    underWay,
    settleState,
    closeOvertaken,
    /** Asks for the line back; false where it is not live, or was asked for before. */
    request(id: string): boolean {
      const row = table.rowOf(id)
      if (row?.isClaimed !== true || wishes.has(id)) return false
      const wish: Wish = { state: 'requested', asked: 0, nextAskAt: nowMs() }
      wishes.set(id, wish)
      open.set(id, wish)
      return true
    },
    /** A dispatch whose line is asked back now, unless it is being sent or a recall is under way. */
    takeRecallable(): Row | undefined {
      for (const [id, wish] of open) {
        const row = table.rowOf(id)
        if (!row || row.state === 'sending' || underWay.has(id)) continue
        if (wish.nextAskAt <= nowMs()) return row
      }
      return undefined
    },
    postpone(id: string, delayMs: number): void {
      const wish = open.get(id)
      if (wish) wish.nextAskAt = nowMs() + delayMs
    },
    insert(sealed: Pick<Recall, 'dispatchId' | 'key' | 'orderKey' | 'state'>): Recall {
      made += 1
      const recall: Recall = {
        ...sealed,
        id: `r${made}`,
        attempt: 0,
        nextAttemptAt: nowMs(),
        token: null,
        leaseUntil: null,
      }
      recalls.set(recall.id, recall)
      underWay.set(recall.dispatchId, recall)
      return recall
    },
    claim(limit: number, token: string, leaseMs: number): readonly Recall[] {
      const due = [...recalls.values()]
        .filter(({ state }) => state === 'queued' || state === 'unknown')
        .filter((one) => one.nextAttemptAt <= nowMs())
        .slice(0, limit)
      for (const one of due) {
        one.state = 'sending'
        one.token = token
        one.leaseUntil = nowMs() + leaseMs
        one.attempt += 1
      }
      return due
    },
    expire(): readonly Recall[] {
      const expired = [...recalls.values()].filter(
        ({ state, leaseUntil }) => state === 'sending' && (leaseUntil ?? 0) < nowMs(),
      )
      for (const one of expired) {
        one.state = 'unknown'
        one.token = null
        one.leaseUntil = null
        one.nextAttemptAt = nowMs()
      }
      return expired
    },
    /** True where the fence held and the recall was written. */
    complete(id: string, token: string, next: NextRecall): boolean {
      const recall = recalls.get(id)
      if (!recall || recall.token !== token || recall.state !== 'sending') return false
      recall.token = null
      recall.leaseUntil = null
      recall.nextAttemptAt = nowMs() + next.delayMs
      if (next.state === 'answered') drop(recall)
      else recall.state = next.state
      return true
    },
    settleByHand(recall: Recall): boolean {
      if (recalls.get(recall.id) !== recall || !DOUBTFUL.has(recall.state)) return false
      drop(recall)
      return true
    },
    /** Takes the line of a dispatch back that its partner does not have. */
    takeBackAll(row: Row): void {
      free(row)
      closeOvertaken(row)
    },
    /** `settleRecall`: writes down what became of the line; true where the dispatch moved. */
    settle(row: Row, told: Told): boolean {
      const left = new Set(hasLeft(row.id) ? [row.id] : [])
      const wish = open.get(row.id)
      if (wish) {
        wish.state = lineState(
          { outcome: told.outcome, fulfillmentId: row.id },
          row.isSettled,
          left,
        )
        wish.asked += 1
        wish.nextAskAt = nowMs() + told.askAgainMs
        if (!isOpen(wish)) open.delete(row.id)
      }
      const isGiven = told.isTombstone || wish?.state === 'recalled'
      if (isGiven && left.size === 0) free(row)
      return settleState(row, told.unsettled)
    },
  }
}

/** What `recallTable` gives. */
export type RecallTable = ReturnType<typeof recallTable>
