import { count } from '#telemetry/index.ts'
import { appendEvents, change, many, withPipelinedCommit } from '#platform/index.ts'
import type { Context, NewEvent, Transaction } from '#platform/index.ts'
import type { RejectedOrder } from './classify-response.ts'
import {
  answerOrders,
  completeDispatches,
  insertAttempts,
  rejectClaims,
} from './dispatch-statements.ts'
import type { NextState } from './next-dispatch-state.ts'
import { returnRejected } from './reject-orders.ts'

/** What one attempt or look-up found, ready to be written. */
export type Completion = {
  readonly dispatchId: string
  readonly partner: string
  readonly token: string
  /** The state that the holder of the lease saw. */
  readonly before: 'sending' | 'unknown'
  readonly next: NextState
  readonly code: string
  readonly isReplay: boolean
  readonly accepted: readonly string[]
  readonly rejected: readonly RejectedOrder[]
  /** Absent for a look-up: it is no attempt. */
  readonly attempt?: {
    readonly number: number
    readonly startedAt: Date
    readonly kind: string
    readonly status: number | null
    readonly response: Buffer
  }
}

/** True where the completion was written; false where the lease was lost and nothing was. */
export type Completed = boolean

/** An attempt keeps at most this much of an answer. */
export const RESPONSE_KEPT_BYTES = 16 * 1024

/** Writes many completions in one transaction: dispatches, attempts, orders, claims and events. */
export async function completeAll(
  context: Context,
  completions: readonly Completion[],
): Promise<readonly Completed[]> {
  const written = await withPipelinedCommit(context.database, (tx) =>
    writeAll(tx, context.merchant, completions),
  )
  countReplays(completions.filter((one) => one.isReplay && written.has(one.dispatchId)).length)
  return completions.map((one) => written.has(one.dispatchId))
}

// A replay is a send that the partner knew by its key: the key did its work.
function countReplays(replays: number): void {
  if (replays === 0) return
  count('holdfast_dispatch_replayed_total', {}, replays)
  count('webhook_idempotency_key_collisions', {}, replays)
}

async function writeAll(
  tx: Transaction,
  merchant: string,
  completions: readonly Completion[],
): Promise<{ readonly value: ReadonlySet<string>; readonly written: Promise<unknown> }> {
  const rows = await many(tx, completeDispatches, {
    merchant,
    ids: completions.map((one) => one.dispatchId),
    tokens: completions.map((one) => one.token),
    before: completions.map((one) => one.before),
    states: completions.map((one) => one.next.state),
    delays: completions.map((one) => one.next.delayMs),
    codes: completions.map((one) => one.code),
    absent: completions.map((one) => one.next.isAbsent ?? false),
  })
  const written = new Set(rows.map((row) => row.id))
  const done = completions.filter((one) => written.has(one.dispatchId))
  // What does not wait for another's answer travels together: three round trips.
  const [answers] = await Promise.all([
    writeAnswers(tx, merchant, done),
    writeAttempts(tx, merchant, done),
  ])
  const events = done.map((one): NewEvent => {
    const data = {
      partner_id: one.partner,
      code: one.code,
      attempt: one.attempt?.number,
      stopped_by: one.next.stoppedBy,
    }
    return { subjectId: one.dispatchId, kind: eventKind(one), data }
  })
  return { value: written, written: appendEvents(tx, merchant, [...events, ...answers]) }
}

const KINDS: Record<NextState['state'], string> = {
  accepted: 'dispatch.accepted',
  rejected: 'dispatch.rejected',
  queued: 'dispatch.requeued',
  unknown: 'dispatch.unknown',
  needs_operator: 'dispatch.stopped',
  quarantined: 'dispatch.quarantined',
}

const eventKind = (one: Completion): string =>
  one.isReplay ? 'dispatch.replayed' : KINDS[one.next.state]

async function writeAttempts(
  tx: Transaction,
  merchant: string,
  done: readonly Completion[],
): Promise<void> {
  const attempts = done.flatMap((one) =>
    one.attempt ? [{ ...one.attempt, id: one.dispatchId, code: one.code }] : [],
  )
  if (attempts.length === 0) return
  await change(tx, insertAttempts, {
    merchant,
    dispatches: attempts.map((one) => one.id),
    attempts: attempts.map((one) => one.number),
    started: attempts.map((one) => one.startedAt),
    classes: attempts.map((one) => one.kind),
    statuses: attempts.map((one) => one.status ?? 0),
    codes: attempts.map((one) => one.code),
    responses: attempts.map((one) => one.response.subarray(0, RESPONSE_KEPT_BYTES)),
  })
}

/** Moves the orders of accepted and rejected dispatches; answers the events of it. */
export async function writeAnswers(
  tx: Transaction,
  merchant: string,
  done: readonly Pick<Completion, 'dispatchId' | 'next' | 'accepted' | 'rejected'>[],
): Promise<readonly NewEvent[]> {
  const settled = done.filter((one) => SETTLED.has(one.next.state))
  const answers = settled.flatMap((one) => [
    ...one.accepted.map((id) => ({ dispatch: one.dispatchId, id, state: 'accepted' })),
    ...one.rejected.map((no) => ({
      dispatch: one.dispatchId,
      id: no.fulfillmentId,
      state: 'rejected',
    })),
  ])
  if (answers.length === 0) return []
  const rows = await many(tx, answerOrders, {
    merchant,
    dispatches: answers.map((one) => one.dispatch),
    fulfillments: answers.map((one) => one.id),
    states: answers.map((one) => one.state),
  })
  const refused = answers.filter((one) => one.state === 'rejected')
  if (refused.length > 0) {
    await change(tx, rejectClaims, {
      merchant,
      dispatches: refused.map((one) => one.dispatch),
      fulfillments: refused.map((one) => one.id),
    })
  }
  const resent = await returnRejected(
    tx,
    merchant,
    settled.flatMap((one) => one.rejected),
  )
  const codes = new Map(
    settled.flatMap((one) => one.rejected.map((no) => [no.fulfillmentId, no.code])),
  )
  const moved = rows.map((row) => ({
    subjectId: row.id,
    kind: `fulfillment.${row.state}`,
    data: { order_id: row.order_id, ...(codes.has(row.id) ? { code: codes.get(row.id) } : {}) },
  }))
  return [...moved, ...resent]
}

const SETTLED = new Set(['accepted', 'rejected'])
