import { STATUS_CODES } from 'node:http'

/** The partner's own catalogue: every code it answers with, its HTTP status and its meaning. */
export const PROBLEMS = {
  media_type_unsupported: { http: 415, means: 'Content-Type is not application/json' },
  length_required: { http: 411, means: 'Content-Length is missing' },
  body_too_large: { http: 413, means: 'the body is above 1 MiB' },
  digest_missing: { http: 400, means: 'Content-Digest has no sha-256 member' },
  digest_mismatch: { http: 400, means: 'Content-Digest is not the SHA-256 of the bytes received' },
  signature_invalid: { http: 401, means: 'webhook id, timestamp or signature does not verify' },
  protocol_unsupported: { http: 400, means: 'Holdfast-Protocol is not 1' },
  fence_epoch_invalid: { http: 400, means: 'Holdfast-Fence-Epoch is missing or not an integer' },
  idempotency_key_missing: { http: 400, means: 'Idempotency-Key is missing or malformed' },
  key_mismatch: { http: 400, means: 'header, body and address do not name one key' },
  webhook_id_mismatch: { http: 400, means: 'webhook-id is not msg_ and the digits of the key' },
  body_malformed: { http: 400, means: 'the body is not strict JSON of the schema' },
  order_count_mismatch: { http: 400, means: 'order_count is not the number of orders' },
  order_on_hold: { http: 400, means: 'an order is not explicitly cleared by a decision' },
  content_mismatch: { http: 400, means: 'content_sha256 is not the digest of the content' },
  query_invalid: { http: 400, means: 'a query parameter is wrong' },
  dispatch_unknown: { http: 404, means: 'the key was never seen' },
  route_unknown: { http: 404, means: 'no such route' },
  method_not_allowed: { http: 405, means: 'the route does not take this method' },
  order_key_live: { http: 409, means: 'an order key is live under another key' },
  stale_epoch: { http: 409, means: 'a higher fence epoch was seen' },
  stale_revision: { http: 409, means: 'a higher revision of the batch was seen' },
  recalled: { http: 410, means: 'the key was recalled and can never be accepted' },
  key_reused: { http: 422, means: 'the key was used with other content' },
  faults_invalid: { http: 422, means: 'the fault script is wrong; errors names each field' },
  settings_invalid: { http: 422, means: 'a profile or its secrets are wrong' },
  rate_limited: { http: 429, means: 'too many requests; nothing was done' },
  internal: { http: 500, means: 'a fault of the partner' },
  overloaded: { http: 503, means: 'the queue is full; nothing was done' },
} as const satisfies Record<string, { http: number; means: string }>

/** A stable code of the partner. */
export type ProblemCode = keyof typeof PROBLEMS

/** What the partner answers; `body` is sent as it is, so that a replay is identical to the byte. */
export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A value, or the problem to answer with. */
export type Judged<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly answer: Answer }

/** An answer of plain JSON. */
export function json(status: number, value: object, headers: Answer['headers'] = {}): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(value),
  }
}

/** A refusal as `application/problem+json` (RFC 9457) with the stable `code`. */
export function problem(
  code: ProblemCode,
  detail: string = PROBLEMS[code].means,
  more: Readonly<Record<string, unknown>> = {},
): Answer {
  const status = PROBLEMS[code].http
  const title = STATUS_CODES[status] ?? 'Error'
  return {
    status,
    headers: { 'content-type': 'application/problem+json' },
    body: JSON.stringify({ type: 'about:blank', title, status, detail, code, ...more }),
  }
}

/** A judgment that went against the request. */
export function against(
  code: ProblemCode,
  detail?: string,
): { readonly ok: false; readonly answer: Answer } {
  return { ok: false, answer: problem(code, detail) }
}
