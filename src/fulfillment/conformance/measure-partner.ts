import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { newId } from '#kernel/index.ts'
import type { KeptBatch, PartnerGrade } from '#partners/index.ts'
import type { OutboundResult } from '#platform/outbound/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import { classifyLookup, classifyResponse } from '../dispatch/classify-response.ts'
import { CHECKS, gradeOfChecks } from './check.ts'
import type { Check, CheckName, CheckOutcome } from './check.ts'
import { probeBody, probeRecall } from './probe-body.ts'
import type { ProbeBody, ProbeIdentity } from './probe-body.ts'
import { bodyOf, codeOf, foundIn, isNoAnswer, probeExchange } from './probe-exchange.ts'
import type { ProbeExchange, ProbeTarget, ProbeWorld } from './probe-exchange.ts'

/** What a probe found out about an endpoint. */
export type Measurement = {
  readonly grade: PartnerGrade
  /** True where every check had an answer; without that no grade may be raised. */
  readonly isComplete: boolean
  readonly isKeyKept: boolean | undefined
  /** How long the partner says that it keeps keys, in seconds; null for ever. */
  readonly keyTtlS: number | null
  /** How long the partner says that it takes to process, in seconds. */
  readonly processingDelayS: number
  /** From the acceptance to the first look-up that found it; null where none did. */
  readonly lookupLagMs: number | null
  readonly batch: string
  readonly checks: readonly Check[]
}

/** What a probe is asked to do. */
export type ProbePlan = {
  readonly identity: ProbeIdentity
  readonly target: ProbeTarget
  /** Batches of earlier probes, oldest first; empty where there were none. */
  readonly kept: readonly KeptBatch[]
  /** Longest wait for a look-up to find what was accepted, beside the stated delay. */
  readonly lookupWaitMaxMs?: number
}

const LOOKUP_WAIT_MAX_MS = 15_000
const STATED_DELAY_MAX_S = 600
/** A key this near to its end is not asked for: HDP/1 §1.6 leaves the same margin. */
const KEY_TTL_MARGIN_S = 3_600

/**
 * Measures an endpoint with no-op dispatches (docs/reference/partner-protocol.md §5): about fifteen
 * requests, one after another, and nothing that ships. Touches no database.
 */
export async function measurePartner(world: ProbeWorld, plan: ProbePlan): Promise<Measurement> {
  const exchange = probeExchange(world, plan.target)
  const asked: Asked = { world, plan, exchange }
  const first = probeBody(plan.identity, newId('btc'))
  const refused = await checkRefusals(asked)
  const created = await exchange.create(first)
  const stated = statedTerms(created)
  const echo = judge('echo', created, isAccepted(created, first))
  const waitMaxMs = echo.outcome === 'passed' ? patienceMs(plan, stated.processingDelayS) : 0
  const found = await checkLookup(asked, first, waitMaxMs)
  const repeated = await checkKeys(asked, first)
  const tombstone = await checkTombstone(asked)
  const listed = await exchange.list()
  const kept = await checkKept(asked, stated.keyTtlS)
  const checks = [
    ...refused,
    echo,
    ...found.checks,
    ...repeated,
    tombstone,
    judge('manifest', listed, isList(listed)),
    checkOf('keys_for_ever', outcomeOf(created, stated.keyTtlS === null), ttlText(stated.keyTtlS)),
    kept,
  ]
  return {
    grade: gradeOfChecks(checks, stated.keyTtlS),
    isComplete: checks.every((one) => one.outcome !== 'no_answer'),
    isKeyKept: isProven(kept) ? kept.outcome === 'passed' : undefined,
    ...stated,
    lookupLagMs: found.lagMs,
    batch: first.batch,
    checks,
  }
}

type Asked = {
  readonly world: ProbeWorld
  readonly plan: ProbePlan
  readonly exchange: ProbeExchange
}

/** What must be refused, and that what was refused had no effect. */
async function checkRefusals({ plan, exchange }: Asked): Promise<readonly Check[]> {
  const { identity } = plan
  const body = probeBody(identity, newId('btc'))
  const held = probeBody(identity, body.batch, { isHeld: true })
  const forged = await exchange.createSignedBy(newWebhookSecret(), body)
  const unsigned = await exchange.lookUpUnsigned(body.key)
  const cut = await exchange.createWithDigestOf(Buffer.from('{}'), body)
  const onHold = await exchange.create(held)
  const after = await exchange.lookUp(body.key)
  return [
    judge('bad_signature', forged, isStatus(forged, 401)),
    judge('unsigned_lookup', unsigned, isStatus(unsigned, 401)),
    judge('cut_body', cut, isStatus(cut, 400)),
    judge('held_order', onHold, isStatus(onHold, 400, 422)),
    judge('no_effect', after, isStatus(after, 404)),
  ]
}

/** Looks up until what was accepted is found; how long that took is the lag. */
async function checkLookup(
  { world, exchange }: Asked,
  body: ProbeBody,
  waitMaxMs: number,
): Promise<{ readonly checks: readonly Check[]; readonly lagMs: number | null }> {
  const { clock } = world
  const startMs = clock.monotonicMs()
  const isFound = (result: OutboundResult): boolean =>
    classifyLookup(result, body, clock.nowMs()).kind === 'found'
  const once = await exchange.lookUp(body.key)
  let newest = once
  for (let gapMs = 50; isStatus(newest, 404) && codeOf(newest) !== 'route_unknown'; gapMs *= 2) {
    if (clock.monotonicMs() - startMs + gapMs > waitMaxMs) break
    await pause(Math.min(gapMs, 2_000))
    newest = await exchange.lookUp(body.key)
  }
  const lagMs = newest === once ? 0 : Math.round(clock.monotonicMs() - startMs)
  const checks = [
    judge('lookup', newest, isFound(newest)),
    judge('read_your_writes', once, isFound(once)),
  ]
  return { checks, lagMs: isFound(newest) ? lagMs : null }
}

const patienceMs = (plan: ProbePlan, statedDelayS: number): number =>
  (plan.lookupWaitMaxMs ?? LOOKUP_WAIT_MAX_MS) + Math.min(statedDelayS, STATED_DELAY_MAX_S) * 1_000

/** One key, one content, one effect; and one live key for one order. */
async function checkKeys({ plan, exchange }: Asked, first: ProbeBody): Promise<readonly Check[]> {
  const { identity } = plan
  const again = await exchange.create(first)
  const other = await exchange.create(probeBody(identity, first.batch, { quantity: 2 }))
  const elsewhere = await exchange.create(
    probeBody(identity, newId('btc'), { orderOf: first.batch }),
  )
  const isLive = isStatus(elsewhere, 409) && codeOf(elsewhere) === 'order_key_live'
  return [
    judge('same_key', again, isReplayed(again, first)),
    judge('changed_body', other, isStatus(other, 422)),
    judge('live_order', elsewhere, isLive),
  ]
}

async function checkTombstone({ plan, exchange }: Asked): Promise<Check> {
  const body = probeBody(plan.identity, newId('btc'))
  const recalled = await exchange.recall(body.key, probeRecall(plan.identity, body))
  if (!isStatus(recalled, 200)) return judge('tombstone', recalled, false)
  const created = await exchange.create(body)
  return judge('tombstone', created, isStatus(created, 410))
}

/** Sends the oldest earlier probe again that the partner has promised to remember. */
async function checkKept({ plan, exchange }: Asked, keyTtlS: number | null): Promise<Check> {
  const latestS = (keyTtlS ?? Number.POSITIVE_INFINITY) - KEY_TTL_MARGIN_S
  const kept = plan.kept.find((one) => one.ageS < latestS)
  if (!kept) return checkOf('key_kept', 'skipped', 'no earlier probe to ask for')
  const body = probeBody(plan.identity, kept.batch)
  const result = await exchange.create(body)
  const check = judge('key_kept', result, isReplayed(result, body))
  return { ...check, found: `${check.found}, ${Math.round(kept.ageS)} s after the first` }
}

function isReplayed(result: OutboundResult, body: ProbeBody): boolean {
  const seen = classifyResponse(result, body, 0)
  return seen.kind === 'accepted' && seen.isReplay
}

function isAccepted(result: OutboundResult, body: ProbeBody): boolean {
  const seen = classifyResponse(result, body, 0)
  return seen.kind === 'accepted' && seen.accepted.length === body.fulfillmentIds.length
}

function isStatus(result: OutboundResult, ...statuses: readonly number[]): boolean {
  return result.kind === 'reply' && statuses.includes(result.status)
}

const list = z.object({
  dispatches: z.array(
    z.object({ key: z.string(), content_sha256: z.string(), sequence: z.int().min(1) }),
  ),
  next_after_sequence: z.int().nullable(),
})

function isList(result: OutboundResult): boolean {
  return isStatus(result, 200) && list.safeParse(bodyOf(result)).success
}

function statedTerms(result: OutboundResult): {
  readonly keyTtlS: number | null
  readonly processingDelayS: number
} {
  const headers = result.kind === 'reply' ? result.headers : {}
  const ttlS = wholeSeconds(headers['holdfast-key-ttl'])
  return {
    keyTtlS: ttlS === undefined ? null : Math.max(1, ttlS),
    processingDelayS: wholeSeconds(headers['holdfast-processing-delay']) ?? 0,
  }
}

function wholeSeconds(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,9}$/.test(text) ? Number(text) : undefined
}

const ttlText = (ttlS: number | null): string =>
  ttlS === null ? 'no lifetime stated' : `keys are kept for ${ttlS} s`

function judge(name: CheckName, result: OutboundResult, isPassed: boolean): Check {
  return checkOf(name, outcomeOf(result, isPassed), foundIn(result))
}

function outcomeOf(result: OutboundResult, isPassed: boolean): CheckOutcome {
  if (isNoAnswer(result)) return 'no_answer'
  return isPassed ? 'passed' : 'failed'
}

function checkOf(name: CheckName, outcome: CheckOutcome, found: string): Check {
  return { name, outcome, expected: CHECKS[name], found }
}

const isProven = ({ outcome }: Check): boolean => outcome === 'passed' || outcome === 'failed'
