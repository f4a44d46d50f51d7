import { canonicalJson } from '#kernel/index.ts'
import { contentDigest, signWebhook } from '#platform/webhooks/index.ts'
import type { OutboundRequest } from '#platform/outbound/index.ts'
import { webhookIdOf } from '../idempotency-key.ts'

/** Where HDP/1 lives under a partner's address. */
export const DISPATCH_PATH = '/holdfast/v1/dispatches'

/** What a request is made of: the sealed bytes, and the few headers that an attempt may change. */
export type DispatchParts = {
  readonly partner: Pick<OutboundRequest, 'url' | 'allowPrivate'>
  readonly secrets: readonly string[]
  readonly key: string
  readonly bytes: Buffer
  readonly fenceEpoch: number
  readonly attempt: number
  /** Unix seconds, from database time. */
  readonly timestampS: number
}

/** The POST of HDP/1 §1.3. Only timestamp, signature and attempt differ between two attempts. */
export function dispatchRequest(parts: DispatchParts): OutboundRequest {
  const { partner, key, bytes, timestampS } = parts
  const id = webhookIdOf(key)
  return {
    method: 'POST',
    url: partner.url + DISPATCH_PATH,
    allowPrivate: partner.allowPrivate,
    body: bytes,
    headers: {
      'content-type': 'application/json',
      'content-digest': contentDigest(bytes),
      'idempotency-key': `"${key}"`,
      ...signWebhook({ secret: parts.secrets, id, timestampS, body: bytes }),
      'holdfast-protocol': '1',
      'holdfast-fence-epoch': String(parts.fenceEpoch),
      'holdfast-attempt': String(parts.attempt),
      'holdfast-status-url': `${DISPATCH_PATH}/${key}`,
      'user-agent': 'holdfast/1',
    },
  }
}

/** Where a partner that fetches its dispatches is told of them. */
const PING_PATH = '/holdfast/v1/pings'

/**
 * The ping of a dispatch that its partner fetches: its key and nothing of an order. Answered like the POST
 * of the bytes, with the echo of what was fetched.
 */
export function pingRequest(parts: DispatchParts): OutboundRequest {
  const ping = { schema: 'holdfast.ping/1', type: 'dispatch.ready', key: parts.key }
  const request = dispatchRequest({ ...parts, bytes: Buffer.from(canonicalJson(ping)) })
  return { ...request, url: parts.partner.url + PING_PATH }
}

/** The POST of HDP/1 §1.8 that asks for lines of a dispatch back, under the recall's own key. */
export function recallRequest(
  parts: DispatchParts & {
    /** The key of the dispatch that is recalled. */
    readonly recalls: string
  },
): OutboundRequest {
  const request = dispatchRequest(parts)
  const { 'holdfast-status-url': _, ...headers } = request.headers
  return { ...request, url: `${request.url}/${parts.recalls}/recall`, headers }
}

/** The signed GET that asks what became of a key; it signs the empty body. */
export function lookupRequest(parts: {
  readonly partner: Pick<OutboundRequest, 'url' | 'allowPrivate'>
  readonly secrets: readonly string[]
  readonly key: string
  readonly timestampS: number
}): OutboundRequest {
  const { partner, key, timestampS } = parts
  const body = new Uint8Array()
  return {
    method: 'GET',
    url: `${partner.url}${DISPATCH_PATH}/${key}`,
    allowPrivate: partner.allowPrivate,
    headers: {
      accept: 'application/json',
      ...signWebhook({ secret: parts.secrets, id: webhookIdOf(key), timestampS, body }),
      'holdfast-protocol': '1',
      'user-agent': 'holdfast/1',
    },
  }
}
