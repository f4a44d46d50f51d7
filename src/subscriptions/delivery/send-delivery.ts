import type { Outbound, OutboundResult } from '#platform/outbound/index.ts'
import { signWebhook } from '#platform/webhooks/index.ts'
import { readRetryAfter } from './retry-schedule.ts'

/** What one attempt came to. `gone`: the endpoint answered 410 and wants nothing any more. */
export type Attempted = {
  readonly outcome: 'delivered' | 'refused' | 'unreachable' | 'gone'
  readonly status: number | null
  /** `http_503`, or the name of a fault: short and without an address. */
  readonly code: string
  readonly response: Buffer
  readonly retryAfterMs: number
  readonly durationMs: number
}

/** The log keeps so much of an answer. */
const RESPONSE_KEPT_BYTES = 4_096

/** Sends one delivery by Standard Webhooks 1.0.0, signed with every live secret. Does not throw. */
export async function sendDelivery(
  outbound: Outbound,
  clock: { readonly nowMs: () => number; readonly monotonicMs: () => number },
  message: {
    readonly id: string
    readonly url: string
    readonly body: Uint8Array
    readonly secrets: readonly string[]
    readonly allowPrivate: boolean
  },
): Promise<Attempted> {
  const startedMs = clock.monotonicMs()
  const nowMs = clock.nowMs()
  const signed = signWebhook({
    secret: message.secrets,
    id: message.id,
    timestampS: Math.floor(nowMs / 1_000),
    body: message.body,
  })
  const result = await outbound.send({
    method: 'POST',
    url: message.url,
    headers: { ...signed, 'content-type': 'application/json', 'user-agent': 'Holdfast-Webhooks' },
    body: message.body,
    allowPrivate: message.allowPrivate,
  })
  const durationMs = Math.max(0, Math.round(clock.monotonicMs() - startedMs))
  return { ...classify(result, nowMs), durationMs }
}

function classify(result: OutboundResult, nowMs: number): Omit<Attempted, 'durationMs'> {
  if (result.kind !== 'reply') {
    return {
      outcome: 'unreachable',
      status: null,
      code: result.code,
      response: Buffer.alloc(0),
      retryAfterMs: 0,
    }
  }
  const { status } = result
  const isDelivered = status >= 200 && status < 300
  return {
    outcome: isDelivered ? 'delivered' : status === 410 ? 'gone' : 'refused',
    status,
    code: `http_${status}`,
    response: result.body.subarray(0, RESPONSE_KEPT_BYTES),
    retryAfterMs: isDelivered ? 0 : readRetryAfter(result.headers['retry-after'], nowMs),
  }
}
