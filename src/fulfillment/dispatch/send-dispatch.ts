import type { Partner } from '#partners/index.ts'
import type { RowOf } from '#platform/index.ts'
import type { OutboundResult } from '#platform/outbound/index.ts'
import { classifyResponse, sequenceSeen } from './classify-response.ts'
import type { Classified } from './classify-response.ts'
import { RESPONSE_KEPT_BYTES } from './complete-dispatch.ts'
import type { Completion } from './complete-dispatch.ts'
import { dispatchRequest, pingRequest } from './dispatch-request.ts'
import type { claimDue } from './dispatch-statements.ts'
import { nextAfterAttempt, withSequence } from './next-dispatch-state.ts'
import { termsOf } from './partner-terms.ts'
import { withPromise } from '../promise/near-promise.ts'
import { reasonNotToSend } from './reason-not-to-send.ts'
import type { LaneDeps } from './worker-deps.ts'

/** A dispatch whose intent is committed, under a lease that this process believes to hold. */
export type ClaimedDispatch = {
  readonly dispatch: RowOf<typeof claimDue.row>
  readonly lease: {
    readonly token: string
    /** Monotonic time just before the lease was asked for. */
    readonly leasedAtMs: number
    readonly leaseMs: number
  }
}

/**
 * Sends the sealed bytes once and says what it proves. A fault of ours after the send is `unknown`.
 * Where too little of the lease is left for the longest possible request, nothing is sent; bytes that
 * this installation did not seal are quarantined unsent (`seal_unproven`).
 */
export async function sendDispatch(
  deps: LaneDeps,
  partner: Partner,
  claimed: ClaimedDispatch,
): Promise<Completion> {
  const { dispatch, lease } = claimed
  if (!isSealedByUs(deps, partner, dispatch)) {
    const seen: Classified = { kind: 'permanent', code: 'seal_unproven', status: null }
    return completionOf(deps, partner, claimed, seen)
  }
  const secrets = await deps.secrets.live(partner.id, 'dispatch')
  const spentMs = deps.context.clock.monotonicMs() - lease.leasedAtMs
  const nowMs = dispatch.intent_at.getTime() + spentMs
  const refused = reasonNotToSend({
    partner,
    timing: deps.timing,
    hasSecret: secrets.length > 0,
    leaseLeftMs: lease.leaseMs - spentMs,
    sendBudgetMs: deps.outbound.totalTimeoutMs,
    skewMs: deps.context.clock.nowMs() - nowMs,
  })
  if (refused !== undefined) return unsent(deps, partner, claimed, refused)
  deps.meter.count(partner.id)
  const request = partner.delivery === 'pull' ? pingRequest : dispatchRequest
  const result = await deps.breakers.run(partner.id, () =>
    deps.outbound.send(
      request({
        partner,
        secrets,
        key: dispatch.key,
        bytes: dispatch.bytes,
        fenceEpoch: dispatch.fence_epoch,
        attempt: dispatch.attempt,
        timestampS: Math.floor(nowMs / 1000),
      }),
    ),
  )
  await deps.handshakes.look(partner.id, sequenceSeen(result))
  const seen = classifyResponse(
    result,
    {
      key: dispatch.key,
      contentSha256: dispatch.content_sha256.toString('hex'),
      fulfillmentIds: dispatch.fulfillments,
    },
    nowMs,
  )
  return completionOf(deps, partner, claimed, seen, result)
}

// Whoever can write SQL as the runtime role can insert a dispatch, but not the proof of its bytes.
function isSealedByUs(
  { context: { merchant }, prover }: LaneDeps,
  partner: Partner,
  { id: dispatch, key, bytes, proof_key_id: keyId, proof: mac }: ClaimedDispatch['dispatch'],
): boolean {
  return prover.isProven({ merchant, partner: partner.id, dispatch, key, bytes }, { keyId, mac })
}

function unsent(
  deps: LaneDeps,
  partner: Partner,
  claimed: ClaimedDispatch,
  code: string,
): Completion {
  const seen: Classified = { kind: 'no_effect', retryAfterMs: 0, code, status: null }
  return completionOf(deps, partner, claimed, seen)
}

function completionOf(
  deps: LaneDeps,
  partner: Partner,
  claimed: ClaimedDispatch,
  seen: Classified,
  result?: OutboundResult,
): Completion {
  const isRetryOn = deps.flags.isOn('batch_retry_enabled')
  const { dispatch, lease } = claimed
  const { attempt } = dispatch
  const { random, timing } = deps
  const terms = termsOf(partner)
  const next = nextAfterAttempt(seen, { attempt, isRetryOn, terms, timing, random })
  const sequence = {
    seen: result ? sequenceSeen(result) : undefined,
    accepted: dispatch.accepted_sequence,
  }
  return {
    dispatchId: dispatch.id,
    partner: partner.id,
    token: lease.token,
    before: 'sending',
    next: withPromise(withSequence(next, sequence), dispatch.promise_left_ms),
    code: seen.code,
    isReplay: seen.kind === 'accepted' && seen.isReplay,
    accepted: seen.kind === 'accepted' ? seen.accepted : [],
    rejected: seen.kind === 'accepted' ? seen.rejected : [],
    attempt: {
      number: attempt,
      startedAt: dispatch.intent_at,
      kind: seen.kind,
      status: seen.status,
      response:
        result?.kind === 'reply' ? result.body.subarray(0, RESPONSE_KEPT_BYTES) : Buffer.alloc(0),
    },
  }
}
