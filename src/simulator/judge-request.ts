import type { IncomingHttpHeaders } from 'node:http'
import { Webhook } from 'standardwebhooks'
import { bytesEqual, sha256 } from '#kernel/index.ts'
import { against } from './problem.ts'
import type { Judged } from './problem.ts'

/** A key of HDP/1: the prefix and 32 digits of base32. */
export const KEY = /^hfd1-[a-z2-7]{32}$/
/** 1 MiB: the largest body that is read at all. */
export const BODY_BYTES_MAX = 1_048_576

/** What the transport carried: headers and the bytes as received. */
export type Received = { readonly headers: IncomingHttpHeaders; readonly body: Buffer }

/** What the headers of a POST claim; the body must repeat the key. */
export type Envelope = {
  readonly key: string
  /** Absent where the request carried no `Holdfast-Fence-Epoch`. */
  readonly fenceEpoch: number | undefined
}

/**
 * Verifies the Standard Webhooks signature with the official library over the exact bytes, by any live secret. It is
 * lenient about ids and timestamps where we are not: a dot in an id makes the signed text ambiguous.
 */
export function judgeSignature(secrets: readonly string[], received: Received): Judged<string> {
  const id = header(received, 'webhook-id')
  const timestamp = header(received, 'webhook-timestamp')
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(id) || !/^[0-9]{10}$/.test(timestamp))
    return against('signature_invalid')
  const signature = header(received, 'webhook-signature')
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signature,
  }
  const isSigned = secrets.some((secret) => isVerified(new Webhook(secret), received, headers))
  return isSigned ? { ok: true, value: id } : against('signature_invalid')
}

function isVerified(
  webhook: Webhook,
  { body }: Received,
  headers: Readonly<Record<string, string>>,
): boolean {
  try {
    webhook.verify(body, headers, { jsonParse: false })
    return true
  } catch {
    return false
  }
}

/** Judges media type, digest (RFC 9530), signature and key headers of a POST, in that order. */
export function judgeEnvelope(secrets: readonly string[], received: Received): Judged<Envelope> {
  if (!/^application\/json\s*(;\s*charset=utf-8\s*)?$/i.test(header(received, 'content-type')))
    return against('media_type_unsupported')
  const claimed = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(
    header(received, 'content-digest'),
  )
  if (!claimed?.[1]) return against('digest_missing')
  if (!bytesEqual(Buffer.from(claimed[1], 'base64'), sha256(received.body)))
    return against('digest_mismatch')
  const signed = judgeSignature(secrets, received)
  if (!signed.ok) return signed
  if (header(received, 'holdfast-protocol') !== '1') return against('protocol_unsupported')
  const key = idempotencyKey(received.headers)
  if (key === undefined) return against('idempotency_key_missing')
  if (signed.value !== `msg_${key.slice(5)}`) return against('webhook_id_mismatch')
  const epoch = header(received, 'holdfast-fence-epoch')
  if (epoch !== '' && !/^[0-9]{1,15}$/.test(epoch)) return against('fence_epoch_invalid')
  return { ok: true, value: { key, fenceEpoch: epoch === '' ? undefined : Number(epoch) } }
}

/** The key in `Idempotency-Key`, quoted (draft-07) or bare; `undefined` where it is not one. */
export function idempotencyKey(headers: IncomingHttpHeaders): string | undefined {
  const value = headers['idempotency-key']
  if (typeof value !== 'string') return undefined
  const bare = /^"(.*)"$/.exec(value)?.[1] ?? value
  return KEY.test(bare) ? bare : undefined
}

function header(received: Received, name: string): string {
  const value = received.headers[name]
  return typeof value === 'string' ? value : ''
}
