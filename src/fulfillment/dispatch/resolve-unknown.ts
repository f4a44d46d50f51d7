import { newId } from '#kernel/index.ts'
import type { Partner } from '#partners/index.ts'
import { many, withTransaction } from '#platform/index.ts'
import type { RowOf } from '#platform/index.ts'
import { classifyLookup } from './classify-response.ts'
import type { Completion } from './complete-dispatch.ts'
import { lookupRequest } from './dispatch-request.ts'
import { claimUnknown } from './dispatch-statements.ts'
import { nextAfterLookup } from './next-dispatch-state.ts'
import type { WorkerDeps } from './worker-deps.ts'

/** An unknown dispatch that this process is to look up. */
export type ClaimedUnknown = RowOf<typeof claimUnknown.row>

/** Takes unknown dispatches whose look-up is due; nobody else looks them up for a minute. */
export async function takeUnknown(
  deps: WorkerDeps,
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
  deps: WorkerDeps,
  partner: Partner,
  claimed: ClaimedUnknown,
): Promise<Completion> {
  const secrets = await deps.secrets.live(partner.id, 'dispatch')
  const nowMs = claimed.now.getTime()
  const timestampS = Math.floor(nowMs / 1000)
  const result = await deps.outbound.send(
    lookupRequest({ partner, secrets, key: claimed.key, timestampS }),
  )
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
    grade: partner.grade,
    sinceFirstAttemptMs: claimed.since_first_ms,
    unknownForMs: claimed.unknown_for_ms,
    random: deps.random,
  })
  return {
    dispatchId: claimed.id,
    partner: partner.id,
    token: claimed.token,
    before: 'unknown',
    next,
    // While nobody answers, the code of the attempt stays: it decides what an absence will mean.
    code: seen.kind === 'no_answer' ? (claimed.last_code ?? seen.code) : `lookup_${seen.kind}`,
    isReplay: false,
    accepted: seen.kind === 'found' ? seen.accepted : [],
    rejected: seen.kind === 'found' ? seen.rejected : [],
  }
}
