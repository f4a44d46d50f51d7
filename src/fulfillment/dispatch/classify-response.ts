import { z } from 'zod'
import type { OutboundResult } from '#platform/outbound/index.ts'
import { parseStrictJson } from '#platform/webhooks/index.ts'

/** What a partner must echo, byte for byte, before a 2xx counts. */
export type SealedFacts = {
  readonly key: string
  readonly contentSha256: string
  readonly fulfillmentIds: readonly string[]
}

/** One order that the partner refused inside an accepted dispatch. */
export type RejectedOrder = {
  readonly fulfillmentId: string
  readonly code: string
  /** The partner may take the very same order later. */
  readonly isRetriable: boolean
}

/** What one exchange proves. Whatever is not definitely "no effect" is `unknown`. */
export type AttemptClass =
  | {
      readonly kind: 'accepted'
      readonly isReplay: boolean
      readonly accepted: readonly string[]
      readonly rejected: readonly RejectedOrder[]
    }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'no_effect'; readonly retryAfterMs: number }
  | { readonly kind: 'unknown'; readonly retryAfterMs: number }
  | { readonly kind: 'permanent' }
  | { readonly kind: 'blocked' }

/** An attempt with a short stable code for the record, and the HTTP status where there was one. */
export type Classified = AttemptClass & { readonly code: string; readonly status: number | null }

const echo = z.object({
  key: z.string(),
  content_sha256: z.string(),
  accepted: z.array(z.string()).max(100),
  rejected: z
    .array(
      z.object({
        id: z.string(),
        code: z.string().max(64).default('rejected'),
        retriable: z.boolean().default(false),
      }),
    )
    .max(100),
})

/** Classifies the answer to a POST of sealed bytes by HDP/1 §1.4. */
export function classifyResponse(
  result: OutboundResult,
  sealed: SealedFacts,
  nowMs: number,
): Classified {
  if (result.kind === 'no_byte_written') {
    return { kind: 'no_effect', retryAfterMs: 0, code: result.code, status: null }
  }
  if (result.kind === 'after_byte_written') {
    return { kind: 'unknown', retryAfterMs: 0, code: result.code, status: null }
  }
  const { status } = result
  const code = problemCode(result.body) ?? `http_${status}`
  if (status === 200 || status === 201 || status === 202) {
    const echoed = result.isTruncated ? undefined : matchingEcho(result.body, sealed)
    if (!echoed) return { kind: 'mismatch', code: 'ack_mismatch', status }
    const isReplay = isReplayed(result.headers)
    return {
      kind: 'accepted',
      isReplay,
      ...echoed,
      code: isReplay ? 'replayed' : 'accepted',
      status,
    }
  }
  const retryAfterMs = retryAfter(result.headers['retry-after'], nowMs)
  // A stored failure that is replayed for this key for ever: sending it again cannot help.
  const isStored = status >= 500 && isReplayed(result.headers)
  const named = isStored ? 'replayed_failure' : code
  return { ...classOfStatus(status, code, isStored ? 0 : retryAfterMs), code: named, status }
}

const isReplayed = (headers: Readonly<Record<string, string>>): boolean =>
  headers['idempotent-replayed'] === 'true' || headers['idempotency-replayed'] === 'true'

/**
 * The newest sequence that the partner had seen before this exchange (`Holdfast-Sequence-Seen`), or
 * undefined where it does not say.
 */
export function sequenceSeen(result: OutboundResult): number | undefined {
  if (result.kind !== 'reply') return undefined
  const value = result.headers['holdfast-sequence-seen'] ?? ''
  return /^[0-9]{1,15}$/.test(value) ? Number(value) : undefined
}

function classOfStatus(status: number, code: string, retryAfterMs: number): AttemptClass {
  // A 2xx that is none of the three promised ones came from something else in between.
  if (status >= 200 && status < 300) return { kind: 'mismatch' }
  if (status === 401 || status === 403) return { kind: 'blocked' }
  if (status === 410) return { kind: code === 'recalled' ? 'permanent' : 'blocked' }
  // HDP/1 §1.7: a lower fence epoch is a definite no effect that stops the lane.
  if (status === 409 && code === 'stale_epoch') return { kind: 'blocked' }
  // With Retry-After a 503 promises that nothing was done (docs/reference/partner-protocol.md §1).
  // A bare 400 answers half a request: our protocol's own refusals name their code.
  if (status === 400 && code === 'http_400') return { kind: 'unknown', retryAfterMs }
  const isRefusal = status === 425 || status === 429 || (status === 503 && retryAfterMs > 0)
  if (isRefusal) return { kind: 'no_effect', retryAfterMs }
  if (status === 408 || status === 409 || status === 422 || status >= 500) {
    return { kind: 'unknown', retryAfterMs }
  }
  return { kind: 'permanent' }
}

/** What a look-up by key proves. */
export type LookupClass =
  | {
      readonly kind: 'found'
      readonly accepted: readonly string[]
      readonly rejected: readonly RejectedOrder[]
    }
  | { readonly kind: 'other_content' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'recalled' }
  | { readonly kind: 'no_answer'; readonly retryAfterMs: number; readonly code: string }

/** Classifies the answer to `GET /dispatches/{key}` (HDP/1 §1.6). */
export function classifyLookup(
  result: OutboundResult,
  sealed: SealedFacts,
  nowMs: number,
): LookupClass {
  if (result.kind !== 'reply') return { kind: 'no_answer', retryAfterMs: 0, code: result.code }
  if (result.status === 200 && !result.isTruncated) {
    const echoed = matchingEcho(result.body, sealed)
    if (echoed) return { kind: 'found', ...echoed }
    // Only a whole answer about our key that names other content proves a breach.
    const read = readEcho(result.body)
    if (read?.key === sealed.key) return { kind: 'other_content' }
  }
  if (result.status === 404) return { kind: 'absent' }
  if (result.status === 410) return { kind: 'recalled' }
  const retryAfterMs = retryAfter(result.headers['retry-after'], nowMs)
  return { kind: 'no_answer', retryAfterMs, code: `lookup_http_${result.status}` }
}

function matchingEcho(
  body: Buffer,
  sealed: SealedFacts,
): { accepted: readonly string[]; rejected: readonly RejectedOrder[] } | undefined {
  const read = readEcho(body)
  if (!read) return undefined
  if (read.key !== sealed.key || read.content_sha256 !== sealed.contentSha256) return undefined
  const rejected = read.rejected.map(({ id, code, retriable }) => ({
    fulfillmentId: id,
    code,
    isRetriable: retriable,
  }))
  const named = [...read.accepted, ...rejected.map((one) => one.fulfillmentId)].toSorted()
  const ours = [...sealed.fulfillmentIds].toSorted()
  const isWhole = named.length === ours.length && named.every((id, index) => id === ours[index])
  return isWhole ? { accepted: read.accepted, rejected } : undefined
}

function readEcho(body: Buffer): z.output<typeof echo> | undefined {
  const json = parseStrictJson(body)
  const parsed = json.ok ? echo.safeParse(json.value) : undefined
  return parsed?.success === true ? parsed.data : undefined
}

const problem = z.object({ code: z.string().regex(/^[a-z0-9_]{1,64}$/) })

/** The `code` of an RFC 9457 problem, where it is one of our form. */
export function problemCode(body: Buffer): string | undefined {
  const json = parseStrictJson(body)
  const parsed = json.ok ? problem.safeParse(json.value) : undefined
  return parsed?.success === true ? parsed.data.code : undefined
}

/** `Retry-After` (RFC 9110 §10.2.3) in milliseconds: seconds or an HTTP date; 0 where it is neither. */
export function retryAfter(value: string | undefined, nowMs: number): number {
  if (value === undefined) return 0
  if (/^[0-9]{1,9}$/.test(value)) return Number(value) * 1_000
  const atMs = Date.parse(value)
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - nowMs)
}
