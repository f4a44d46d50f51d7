import type { Partner } from '#partners/index.ts'
import type { RowOf } from '#platform/index.ts'
import { classifyResponse } from './classify-response.ts'
import type { Classified } from './classify-response.ts'
import { RESPONSE_KEPT_BYTES } from './complete-dispatch.ts'
import type { Completion } from './complete-dispatch.ts'
import { dispatchRequest } from './dispatch-request.ts'
import type { claimDue } from './dispatch-statements.ts'
import { nextAfterAttempt } from './next-dispatch-state.ts'
import type { WorkerDeps } from './worker-deps.ts'

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
  deps: WorkerDeps,
  partner: Partner,
  claimed: ClaimedDispatch,
): Promise<Completion> {
  const { clock } = deps.context
  const { dispatch, lease } = claimed
  if (!isSealedByUs(deps, partner, dispatch)) {
    const seen: Classified = { kind: 'permanent', code: 'seal_unproven', status: null }
    return completionOf(deps, partner, claimed, seen, Buffer.alloc(0))
  }
  const secrets = await deps.secrets.live(partner.id, 'dispatch')
  const spentMs = clock.monotonicMs() - lease.leasedAtMs
  if (secrets.length === 0) return unsent(deps, partner, claimed, 'secret_missing')
  if (lease.leaseMs - spentMs <= deps.outbound.totalTimeoutMs) {
    return unsent(deps, partner, claimed, 'lease_spent')
  }
  const nowMs = dispatch.intent_at.getTime() + spentMs
  const result = await deps.outbound.send(
    dispatchRequest({
      partner,
      secrets,
      key: dispatch.key,
      bytes: dispatch.bytes,
      fenceEpoch: dispatch.fence_epoch,
      attempt: dispatch.attempt,
      timestampS: Math.floor(nowMs / 1000),
    }),
  )
  const seen = classifyResponse(
    result,
    {
      key: dispatch.key,
      contentSha256: dispatch.content_sha256.toString('hex'),
      fulfillmentIds: dispatch.fulfillments,
    },
    nowMs,
  )
  const response =
    result.kind === 'reply' ? result.body.subarray(0, RESPONSE_KEPT_BYTES) : Buffer.alloc(0)
  return completionOf(deps, partner, claimed, seen, response)
}

// Whoever can write SQL as the runtime role can insert a dispatch, but not the proof of its bytes.
function isSealedByUs(
  { context: { merchant }, prover }: WorkerDeps,
  partner: Partner,
  { id: dispatch, key, bytes, proof_key_id: keyId, proof: mac }: ClaimedDispatch['dispatch'],
): boolean {
  return prover.isProven({ merchant, partner: partner.id, dispatch, key, bytes }, { keyId, mac })
}

function unsent(
  deps: WorkerDeps,
  partner: Partner,
  claimed: ClaimedDispatch,
  code: string,
): Completion {
  const seen: Classified = { kind: 'no_effect', retryAfterMs: 0, code, status: null }
  return completionOf(deps, partner, claimed, seen, Buffer.alloc(0))
}

function completionOf(
  deps: WorkerDeps,
  partner: Partner,
  claimed: ClaimedDispatch,
  seen: Classified,
  response: Buffer,
): Completion {
  const isRetryOn = deps.flags.isOn('batch_retry_enabled')
  const { dispatch, lease } = claimed
  const { attempt } = dispatch
  const { random } = deps
  return {
    dispatchId: dispatch.id,
    partner: partner.id,
    token: lease.token,
    before: 'sending',
    next: nextAfterAttempt(seen, { attempt, isRetryOn, grade: partner.grade, random }),
    code: seen.code,
    isReplay: seen.kind === 'accepted' && seen.isReplay,
    accepted: seen.kind === 'accepted' ? seen.accepted : [],
    rejected: seen.kind === 'accepted' ? seen.rejected : [],
    attempt: {
      number: attempt,
      startedAt: dispatch.intent_at,
      kind: seen.kind,
      status: seen.status,
      response,
    },
  }
}
