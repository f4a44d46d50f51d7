import type { Random } from '#kernel/index.ts'
import { appendEvents, change, many, withTransaction } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { count } from '#telemetry/index.ts'
import { pauseIn } from '../change-subscription.ts'
import { completeDeliveries, insertAttempts, keepHealth } from './complete-statements.ts'
import {
  FAILING_MAX_MS,
  FAILURES_MIN,
  PROBING_FAILURES,
  retryDelayMs,
  TRIES_MAX,
} from './retry-schedule.ts'
import type { Attempted } from './send-delivery.ts'

/** One attempt, ready to be written. */
export type Completion = {
  readonly subscription: string
  readonly delivery: string
  readonly type: string
  readonly token: string
  readonly attempt: number
  readonly tries: number
  readonly startedAt: Date
  readonly attempted: Attempted
}

type Judged = Completion & { readonly state: 'delivered' | 'pending' | 'failed'; delayMs: number }

/** Writes many attempts in one transaction; answers for each whether its lease still held. */
export async function completeAll(
  context: Context,
  random: Random,
  completions: readonly Completion[],
): Promise<readonly boolean[]> {
  const judged = completions.map((one) => judge(one, random))
  const { written, paused } = await withTransaction(context.database, (tx) =>
    writeAll(tx, context.merchant, judged),
  )
  const done = judged.filter((one) => written.has(nameOf(one)))
  for (const { attempted } of done) {
    count('holdfast_webhook_deliveries_total', { outcome: attempted.outcome })
  }
  const failed = done.filter((one) => one.state === 'failed')
  for (const { subscription, delivery, attempted } of failed) {
    const fields = { subscription_id: subscription, delivery_id: delivery, code: attempted.code }
    context.log.error(fields, 'a webhook delivery was given up; it can be replayed')
  }
  for (const [subscription, reason] of paused) {
    context.log.error(
      { subscription_id: subscription, reason },
      'a webhook subscription is paused; resume it and it goes on from where it stands',
    )
  }
  return judged.map((one) => written.has(nameOf(one)))
}

const nameOf = (one: { readonly subscription: string; readonly delivery: string }): string =>
  `${one.subscription} ${one.delivery}`

function judge(one: Completion, random: Random): Judged {
  const { outcome, retryAfterMs } = one.attempted
  if (outcome === 'delivered') return { ...one, state: 'delivered', delayMs: 0 }
  // An endpoint that is gone is paused: its deliveries wait for somebody who resumes it.
  if (outcome !== 'gone' && one.tries >= TRIES_MAX) return { ...one, state: 'failed', delayMs: 0 }
  return { ...one, state: 'pending', delayMs: retryDelayMs(one.tries, random, retryAfterMs) }
}

async function writeAll(
  tx: Transaction,
  merchant: string,
  judged: readonly Judged[],
): Promise<{
  readonly written: ReadonlySet<string>
  readonly paused: readonly (readonly [string, string])[]
}> {
  const rows = await many(tx, completeDeliveries, {
    merchant,
    subscriptions: judged.map((one) => one.subscription),
    ids: judged.map((one) => one.delivery),
    tokens: judged.map((one) => one.token),
    states: judged.map((one) => one.state),
    delays: judged.map((one) => one.delayMs),
    codes: judged.map((one) => one.attempted.code),
    statuses: judged.map((one) => one.attempted.status ?? 0),
  })
  const written = new Set(
    rows.map((row) => nameOf({ subscription: row.subscription_id, delivery: row.id })),
  )
  const done = judged.filter((one) => written.has(nameOf(one)))
  if (done.length === 0) return { written, paused: [] }
  await change(tx, insertAttempts, {
    merchant,
    subscriptions: done.map((one) => one.subscription),
    deliveries: done.map((one) => one.delivery),
    attempts: done.map((one) => one.attempt),
    started: done.map((one) => one.startedAt),
    durations: done.map((one) => one.attempted.durationMs),
    outcomes: done.map((one) => one.attempted.outcome),
    statuses: done.map((one) => one.attempted.status ?? 0),
    codes: done.map((one) => one.attempted.code),
    responses: done.map((one) => one.attempted.response),
  })
  const failed = done.filter((one) => one.state === 'failed')
  await appendEvents(
    tx,
    merchant,
    failed.map((one) => ({
      subjectId: one.subscription,
      kind: 'subscription.delivery_failed',
      data: { delivery_id: one.delivery, event_type: one.type },
    })),
  )
  return { written, paused: await keepEach(tx, merchant, done) }
}

async function keepEach(
  tx: Transaction,
  merchant: string,
  done: readonly Judged[],
): Promise<readonly (readonly [string, string])[]> {
  const bySubscription = [...Map.groupBy(done, (one) => one.subscription)]
  const outcomes = bySubscription.map(([id, own]) => ({
    id,
    isAlive: own.some((one) => one.state === 'delivered'),
    failed: own.filter((one) => one.state !== 'delivered').length,
    waitMs: Math.max(...own.map((one) => one.attempted.retryAfterMs)),
    isGone: own.some((one) => one.attempted.outcome === 'gone'),
  }))
  const health = await many(tx, keepHealth, {
    merchant,
    ids: outcomes.map((one) => one.id),
    succeeded: outcomes.map((one) => one.isAlive),
    failed: outcomes.map((one) => one.failed),
    waits: outcomes.map((one) => one.waitMs),
    probing: PROBING_FAILURES,
  })
  const failing = new Set(
    health
      .filter((row) => row.failures >= FAILURES_MIN && row.failing_for_ms >= FAILING_MAX_MS)
      .map((row) => row.id),
  )
  const paused: (readonly [string, string])[] = []
  for (const { id, isGone } of outcomes) {
    if (!isGone && !failing.has(id)) continue
    const why = isGone ? 'gone' : 'failing'
    const reason = isGone ? 'the endpoint answered 410 Gone' : 'three days without a success'
    const by = { subscription: id, actor: 'service:webhooks', reason, why } as const
    if (await pauseIn(tx, merchant, by)) paused.push([id, why])
  }
  return paused
}
