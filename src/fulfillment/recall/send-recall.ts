import { newId } from '#kernel/index.ts'
import type { Partner } from '#partners/index.ts'
import { many, withTransaction } from '#platform/index.ts'
import type { RowOf } from '#platform/index.ts'
import type { OutboundResult } from '#platform/outbound/index.ts'
import { sequenceSeen } from '../dispatch/classify-response.ts'
import { RESPONSE_KEPT_BYTES } from '../dispatch/complete-dispatch.ts'
import { recallRequest } from '../dispatch/dispatch-request.ts'
import { reasonNotToSend } from '../dispatch/reason-not-to-send.ts'
import type { LaneDeps } from '../dispatch/worker-deps.ts'
import { classifyRecall } from './classify-recall.ts'
import type { ClassifiedRecall } from './classify-recall.ts'
import { askAgainMs, nextAfterRecall } from './next-recall-state.ts'
import type { NextRecall } from './next-recall-state.ts'
import { claimRecalls } from './recall-claims.ts'

/** A recall whose intent is committed, under a lease that this process believes to hold. */
export type ClaimedRecall = {
  readonly recall: RowOf<typeof claimRecalls.row>
  readonly token: string
  /** Monotonic time just before the lease was asked for. */
  readonly leasedAtMs: number
}

/** What one attempt found, ready to be written. */
export type RecallCompletion = {
  readonly recall: RowOf<typeof claimRecalls.row>
  readonly partner: Partner
  readonly token: string
  readonly next: NextRecall
  readonly seen: ClassifiedRecall
  readonly askAgainMs: number
  readonly response: Buffer
}

/** Commits the intents of due recalls; nothing is sent where that fails. */
export async function takeRecalls(
  deps: LaneDeps,
  partner: Partner,
  limit: number,
): Promise<readonly ClaimedRecall[]> {
  const { merchant, database, clock } = deps.context
  const token = newId('lse')
  const leasedAtMs = clock.monotonicMs()
  const rows = await withTransaction(database, (tx) =>
    many(tx, claimRecalls, {
      merchant,
      partner: partner.id,
      limit,
      token,
      lease: Math.ceil(deps.timing.leaseMs / 1_000),
    }),
  )
  return rows.map((recall) => ({ recall, token, leasedAtMs }))
}

/** Sends the sealed bytes of a recall once and says what it proves. */
export async function sendRecall(
  deps: LaneDeps,
  partner: Partner,
  claimed: ClaimedRecall,
): Promise<RecallCompletion> {
  const { recall } = claimed
  const { merchant, clock } = deps.context
  const { id: dispatch, key, bytes } = recall
  const facts = { merchant, partner: partner.id, dispatch, key, bytes }
  const isOurs = deps.prover.isProven(facts, { keyId: recall.proof_key_id, mac: recall.proof })
  if (!isOurs) {
    const seen = { kind: 'permanent', code: 'seal_unproven', status: null } as const
    return completionOf(deps, partner, claimed, seen)
  }
  const secrets = await deps.secrets.live(partner.id, 'dispatch')
  const spentMs = clock.monotonicMs() - claimed.leasedAtMs
  const nowMs = recall.intent_at.getTime() + spentMs
  const refused = reasonNotToSend({
    partner,
    timing: deps.timing,
    hasSecret: secrets.length > 0,
    leaseLeftMs: deps.timing.leaseMs - spentMs,
    sendBudgetMs: deps.outbound.totalTimeoutMs,
    skewMs: clock.nowMs() - nowMs,
  })
  if (refused !== undefined) {
    const seen = { kind: 'no_effect', retryAfterMs: 0, code: refused, status: null } as const
    return completionOf(deps, partner, claimed, seen)
  }
  deps.meter.count(partner.id)
  const request = recallRequest({
    partner,
    secrets,
    key,
    recalls: recall.recalls,
    bytes,
    fenceEpoch: recall.fence_epoch,
    attempt: recall.attempt,
    timestampS: Math.floor(nowMs / 1_000),
  })
  const result = await deps.breakers.run(partner.id, () => deps.outbound.send(request))
  await deps.handshakes.look(partner.id, sequenceSeen(result))
  const orders = new Map(
    recall.order_keys.map((orderKey, index) => [orderKey, recall.fulfillments[index] ?? '']),
  )
  const seen = classifyRecall(result, { key, recalls: recall.recalls, orders }, nowMs)
  return completionOf(deps, partner, claimed, seen, result)
}

function completionOf(
  deps: LaneDeps,
  partner: Partner,
  { recall, token }: ClaimedRecall,
  seen: ClassifiedRecall,
  result?: OutboundResult,
): RecallCompletion {
  const { random, timing } = deps
  return {
    recall,
    partner,
    token,
    next: nextAfterRecall(seen, { attempt: recall.attempt, random, timing }),
    seen,
    askAgainMs: askAgainMs(recall.asked, timing),
    response:
      result?.kind === 'reply' ? result.body.subarray(0, RESPONSE_KEPT_BYTES) : Buffer.alloc(0),
  }
}
