import { invariant } from '#kernel/index.ts'
import type { OutboundResult } from '#platform/outbound/index.ts'
import { canBeAsked, termsOf } from '#fulfillment/dispatch/partner-terms.ts'
import { reasonNotToSend } from '#fulfillment/dispatch/reason-not-to-send.ts'
import { classifyRecall } from '#fulfillment/recall/classify-recall.ts'
import { askAgainMs, nextAfterRecall } from '#fulfillment/recall/next-recall-state.ts'
import { recallBody } from '#fulfillment/recall/recall-body.ts'
import { recallStep } from '#fulfillment/recall/recall-step.ts'
import type { Row, Wish } from './dispatch-table.ts'
import type { Recall, RecallTable, Told } from './recall-table.ts'
import type { CrashPoint } from './crash-points.ts'
import type { WorkerWorld } from './worker-model.ts'

/** How a wish ended: by the partner's answer, or parcel; unsent; or by a person's word. */
export type WishEnd = 'recalled' | 'tombstones' | 'tooLate' | 'withdrawn' | 'wishesByHand'

/** What the recalls of a simulation need beyond what its workers share. */
export type RecallWorld = {
  readonly recalls: RecallTable
  readonly onEnd: (end: WishEnd) => void
  /** Told of a recall that only a person can answer. */
  readonly onDoubt: (recall: Recall) => void
}

/** What a process gives to what runs in it. */
export type Process = {
  /** True where it died just now, or had died before. */
  readonly crashes: (point: CrashPoint) => boolean
}

/** As `planRecall` does where it has to wait. */
const WAIT_MS = 15_000
const ROUND_MAX = 32
/** States in which the partner has the dispatch: closing its wish moves it. */
const KNOWN = new Set<Row['state']>(['accepted', 'recalling', 'recall_partial', 'too_late'])

/** The recalls of a lane: what `runRecalls` does, over a table of dispatches of one line each. */
export function recallWorker(
  world: WorkerWorld & RecallWorld,
  changed: (row: Row) => void,
  lookAfter: (delayMs: number) => void,
) {
  const { time, random, table, timing, faults, recalls, grade } = world
  const terms = termsOf({ grade })
  const unsettled = canBeAsked(terms) ? 'unknown' : 'needs_operator'
  const rowOf = (recall: Recall): Row => {
    const row = table.rowOf(recall.dispatchId)
    invariant(row, 'a recall names a dispatch that exists')
    return row
  }

  const seal = (row: Row, state: 'queued' | 'needs_operator'): void => {
    const revision = (revisions.get(row.id) ?? 0) + 1
    revisions.set(row.id, revision)
    const line = { fulfillmentId: row.id, generation: 1, cause: 'cancel' } as const
    const body = recallBody({ ...OF, batch: row.id, revision, recalls: row.key, lines: [line] })
    const orderKey = body.orderKeys.get(row.id) ?? ''
    const recall = recalls.insert({ dispatchId: row.id, key: body.key, orderKey, state })
    if (table.moveRecalled(row.id, 'recalling', 'recall')) changed(row)
    if (state === 'needs_operator') world.onDoubt(recall)
  }
  const revisions = new Map<string, number>()

  /** One look at a dispatch whose line is asked back: `planRecall`. */
  const plan = (row: Row): void => {
    if (recalls.closeOvertaken(row)) {
      world.onEnd('tooLate')
      if (KNOWN.has(row.state) && recalls.settleState(row, 'unknown')) changed(row)
      return
    }
    const { state, attempt, isSettled } = row
    const facts = { state, attempt, isSettled, isFrozen: false, grade, isByOperator: false }
    const step = recallStep(facts)
    if (step === 'withdraw') {
      if (!table.withdrawUnsent(row.id)) return recalls.postpone(row.id, WAIT_MS)
      recalls.takeBackAll(row)
      world.onEnd('withdrawn')
      return changed(row)
    }
    if (step === 'send') return seal(row, 'queued')
    if (step === 'by_hand') return seal(row, 'needs_operator')
    recalls.postpone(row.id, WAIT_MS)
    if (step === 'look_up' && table.moveRecalled(row.id, unsettled, 'recall_wanted')) changed(row)
  }

  const settle = (row: Row, told: Told, end?: WishEnd): void => {
    const wish = recalls.open.get(row.id)
    if (recalls.settle(row, told)) changed(row)
    if (wish === undefined) return
    if (!recalls.open.has(row.id)) return world.onEnd(end ?? endOf(wish, told))
    lookAfter(told.askAgainMs)
  }

  const send = (self: Process, recall: Recall): void => {
    const token = recall.token ?? ''
    const leasedAt = time.nowMs()
    const row = rowOf(recall)
    const { shipment, truth } = world.parcelOf(row.id)
    const asked = recalls.open.get(row.id)?.asked ?? 0
    const { attempt, key, orderKey } = recall
    lookAfter(timing.leaseMs + 1)
    const conclude = (result: OutboundResult): void => {
      const sent = { key, recalls: row.key, orders: new Map([[orderKey, row.id]]) }
      const seen = classifyRecall(result, sent, time.nowMs())
      const next = nextAfterRecall(seen, { attempt, random, timing })
      if (!recalls.complete(recall.id, token, next)) return world.count('lostFences')
      const [answer] = seen.kind === 'answered' ? seen.answers : []
      if (seen.kind === 'answered' && answer) {
        const { isTombstone } = seen
        const { outcome } = answer
        settle(row, { isTombstone, outcome, askAgainMs: askAgainMs(asked, timing), unsettled })
      }
      if (next.state === 'needs_operator' || next.state === 'quarantined') world.onDoubt(recall)
      lookAfter(next.delayMs)
      self.crashes('after_recall')
    }
    const transmit = (): void => {
      let isAnswered = false
      const answer = (result: OutboundResult): void => {
        if (isAnswered) return
        isAnswered = true
        if (!self.crashes('before_recall_is_written')) conclude(result)
      }
      time.after(timing.sendBudgetMs, () => answer({ kind: 'after_byte_written', code: 'timeout' }))
      world.partner.recall({ key, orderKey }, shipment, truth, answer)
    }
    if (self.crashes('after_recall_intent')) return
    const refused = reasonNotToSend({
      partner: { url: 'http://127.0.0.1' },
      timing,
      hasSecret: true,
      leaseLeftMs: timing.leaseMs - (time.nowMs() - leasedAt),
      sendBudgetMs: timing.sendBudgetMs,
      skewMs: 0,
    })
    if (refused !== undefined) return conclude({ kind: 'no_byte_written', code: refused })
    // A recall that stands still and lands late stops goods late, and may be answered twice.
    if (random() >= faults.stall) return transmit()
    truth.inFlight += 1
    time.after(random() * faults.stallMaxMs, () => {
      truth.inFlight -= 1
      transmit()
    })
  }

  return {
    /** One round: plans, expires, claims and sends. */
    round(self: Process, limit: number, token: string): void {
      if (recalls.open.size + recalls.underWay.size === 0) return
      let did = recalls.expire().length
      for (let planned = 0; planned < ROUND_MAX; planned += 1) {
        const row = recalls.takeRecallable()
        if (!row) break
        plan(row)
        did += 1
      }
      if (did > 0 && self.crashes('after_recall_plan')) return
      for (const one of recalls.claim(limit, token, timing.leaseMs)) send(self, one)
    },
    /** A person asked the partner, and says what became of the line. */
    answerByHand: (recall: Recall, outcome: 'recalled' | 'too_late'): boolean => {
      if (!recalls.settleByHand(recall)) return false
      settle(
        rowOf(recall),
        { isTombstone: false, outcome, askAgainMs: 0, unsettled },
        'wishesByHand',
      )
      return true
    },
  }
}

function endOf(wish: Wish, told: Told): WishEnd {
  if (wish.state === 'too_late') return 'tooLate'
  return told.isTombstone ? 'tombstones' : 'recalled'
}

const OF = { merchant: 'main', partner: 'simulated' } as const
