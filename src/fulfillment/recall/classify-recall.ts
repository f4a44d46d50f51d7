import { z } from 'zod'
import type { OutboundResult } from '#platform/outbound/index.ts'
import { parseStrictJson } from '#platform/webhooks/index.ts'
import { problemCode, retryAfter } from '../dispatch/classify-response.ts'

/** What a partner says of one line that was asked back. */
export type RecallOutcome = 'recalled' | 'too_late' | 'in_progress' | 'unknown_order'

/** The answer for one line, by its fulfillment order. */
export type LineAnswer = {
  readonly fulfillmentId: string
  readonly outcome: RecallOutcome
  readonly trackingNumber: string | null
}

/** What one exchange of a recall proves. Nothing counts but an answer for every line. */
export type RecallClass =
  | {
      readonly kind: 'answered'
      /** True where the partner had never seen the dispatch: a late one is refused for ever. */
      readonly isTombstone: boolean
      readonly answers: readonly LineAnswer[]
    }
  | { readonly kind: 'mismatch' }
  /** The partner never saw the dispatch and keeps no tombstone: it may still arrive. */
  | { readonly kind: 'never_seen' }
  | { readonly kind: 'no_effect'; readonly retryAfterMs: number }
  | { readonly kind: 'unknown'; readonly retryAfterMs: number }
  | { readonly kind: 'permanent' }
  | { readonly kind: 'blocked' }

/** A class with a short stable code for the record, and the HTTP status where there was one. */
export type ClassifiedRecall = RecallClass & {
  readonly code: string
  readonly status: number | null
}

/** What was asked: the keys of recall and dispatch, and the fulfillment order of each order key. */
export type AskedRecall = {
  readonly key: string
  readonly recalls: string
  readonly orders: ReadonlyMap<string, string>
}

const echo = z.object({
  key: z.string(),
  recalls: z.string(),
  tombstone: z.boolean().default(false),
  orders: z
    .array(
      z.object({
        order_key: z.string().max(64),
        outcome: z.enum(['recalled', 'too_late', 'in_progress', 'unknown_order']),
        tracking_number: z.string().max(128).optional(),
      }),
    )
    .max(1_000),
})

/** Classifies the answer to a recall (HDP/1 §1.8). It is no success until every line has its answer. */
export function classifyRecall(
  result: OutboundResult,
  asked: AskedRecall,
  nowMs: number,
): ClassifiedRecall {
  if (result.kind === 'no_byte_written') {
    return { kind: 'no_effect', retryAfterMs: 0, code: result.code, status: null }
  }
  if (result.kind === 'after_byte_written') {
    return { kind: 'unknown', retryAfterMs: 0, code: result.code, status: null }
  }
  const { status } = result
  if (status >= 200 && status < 300) {
    const told = status === 200 && !result.isTruncated ? readAnswer(result.body, asked) : undefined
    return told
      ? { kind: 'answered', ...told, code: told.isTombstone ? 'tombstone' : 'answered', status }
      : { kind: 'mismatch', code: 'ack_mismatch', status }
  }
  const code = problemCode(result.body) ?? `http_${status}`
  return {
    ...classOf(status, code, retryAfter(result.headers['retry-after'], nowMs)),
    code,
    status,
  }
}

function classOf(status: number, code: string, retryAfterMs: number): RecallClass {
  if (status === 404 && code === 'dispatch_unknown') return { kind: 'never_seen' }
  if (status === 401 || status === 403 || status === 410) return { kind: 'blocked' }
  if (status === 409 && code === 'stale_epoch') return { kind: 'blocked' }
  const isRefusal = status === 425 || status === 429 || (status === 503 && retryAfterMs > 0)
  if (isRefusal) return { kind: 'no_effect', retryAfterMs }
  if (status === 408 || status === 409 || status >= 500) return { kind: 'unknown', retryAfterMs }
  return { kind: 'permanent' }
}

function readAnswer(
  body: Buffer,
  asked: AskedRecall,
): { isTombstone: boolean; answers: readonly LineAnswer[] } | undefined {
  const json = parseStrictJson(body)
  const read = json.ok ? echo.safeParse(json.value) : undefined
  if (read?.success !== true) return undefined
  const { key, recalls, tombstone, orders } = read.data
  if (key !== asked.key || recalls !== asked.recalls) return undefined
  const answers = orders.flatMap((one) => {
    const fulfillmentId = asked.orders.get(one.order_key)
    return fulfillmentId === undefined
      ? []
      : [{ fulfillmentId, outcome: one.outcome, trackingNumber: one.tracking_number ?? null }]
  })
  const named = new Set(answers.map((one) => one.fulfillmentId))
  const isWhole = answers.length === orders.length && named.size === asked.orders.size
  if (!isWhole || answers.length !== named.size) return undefined
  // A tombstone is for the whole key: a line of it that did anything else contradicts it.
  if (tombstone && answers.some((one) => one.outcome !== 'recalled')) return undefined
  return { isTombstone: tombstone, answers }
}
