import { newId } from '#kernel/index.ts'
import type { Partner } from '#partners/index.ts'
import { many, withTransaction } from '#platform/index.ts'
import type { RowOf } from '#platform/index.ts'
import type { OutboundResult } from '#platform/outbound/index.ts'
import { idempotencyKey } from '../idempotency-key.ts'
import { classifyLookup, sequenceSeen } from './classify-response.ts'
import type { Completion } from './complete-dispatch.ts'
import { lookupRequest } from './dispatch-request.ts'
import { claimUnknown } from './dispatch-statements.ts'
import { nextAfterLookup, withSequence } from './next-dispatch-state.ts'
import { termsOf } from './partner-terms.ts'
import { withPromise } from '../promise/near-promise.ts'
import type { LaneDeps } from './worker-deps.ts'

/** An unknown dispatch that this process is to look up. */
export type ClaimedUnknown = RowOf<typeof claimUnknown.row>

/** Takes unknown dispatches whose look-up is due; nobody else looks them up for a minute. */
export async function takeUnknown(
  deps: LaneDeps,
  partner: Partner,
  limit: number,
): Promise<readonly ClaimedUnknown[]> {
  const { merchant, database } = deps.context
  const token = newId('lse')
  return withTransaction(database, (tx) =>
    many(tx, claimUnknown, { merchant, partner: partner.id, limit, token }),
  )
}

/** Asks the partner what became of a key (HDP/1 §1.6) and says where the dispatch goes next. */
export async function lookUp(
  deps: LaneDeps,
  partner: Partner,
  claimed: ClaimedUnknown,
): Promise<Completion> {
  const nowMs = claimed.now.getTime()
  const result = await ask(deps, partner, claimed.key, nowMs)
  const seen = classifyLookup(
    result,
    {
      key: claimed.key,
      contentSha256: claimed.content_sha256.toString('hex'),
      fulfillmentIds: claimed.fulfillments,
    },
    nowMs,
  )
  const next = nextAfterLookup(seen, {
    attempt: claimed.attempt,
    lastStatus: claimed.last_status,
    lastCode: claimed.last_code,
    sinceFirstAttemptMs: claimed.since_first_ms,
    unknownForMs: claimed.unknown_for_ms,
    absentForMs: claimed.absent_for_ms,
    isAskedBack: claimed.is_asked_back,
    terms: termsOf(partner),
    timing: deps.timing,
    random: deps.random,
  })
  const isStill = next.state === 'unknown'
  return {
    dispatchId: claimed.id,
    partner: partner.id,
    token: claimed.token,
    before: 'unknown',
    next: withPromise(
      withSequence(next, { seen: sequenceSeen(result), accepted: claimed.accepted_sequence }),
      claimed.promise_left_ms,
    ),
    // While it stays unknown, the code of the attempt stays: it decides what an absence will mean.
    code: isStill ? (claimed.last_code ?? `lookup_${seen.kind}`) : `lookup_${seen.kind}`,
    isReplay: false,
    accepted: seen.kind === 'found' ? seen.accepted : [],
    rejected: seen.kind === 'found' ? seen.rejected : [],
  }
}

/**
 * The probe of an open breaker: a look-up of a key that was never sent. Any answer below 500 closes
 * the breaker; a real order is never what finds out whether a partner is back.
 */
export async function probe(deps: LaneDeps, partner: Partner): Promise<void> {
  const { merchant, clock } = deps.context
  const key = idempotencyKey({
    merchant,
    partner: partner.id,
    op: 'dispatch.create',
    batch: 'btc_probe',
    revision: 1,
  })
  await ask(deps, partner, key, clock.nowMs())
}

/** Asks a partner what it knows of a key, through its breaker. */
export async function ask(
  deps: LaneDeps,
  partner: Partner,
  key: string,
  nowMs: number,
): Promise<OutboundResult> {
  const secrets = await deps.secrets.live(partner.id, 'dispatch')
  const timestampS = Math.floor(nowMs / 1000)
  const result = await deps.breakers.run(partner.id, () =>
    deps.outbound.send(lookupRequest({ partner, secrets, key, timestampS })),
  )
  await deps.handshakes.look(partner.id, sequenceSeen(result))
  return result
}
