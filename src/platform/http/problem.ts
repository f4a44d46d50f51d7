import { REFUSALS } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import type { RouteReply } from './route.ts'

/** One wrong field of an input: its JSON path and what is wrong with it. */
export type FieldError = { readonly field: string; readonly detail: string }

const ERRORS_MAX = 20
const DETAIL_MAX = 500

/**
 * A refusal as RFC 9457 `application/problem+json`. `type` points at the code on `/docs`, `title` is
 * the catalogue's meaning, `errors` names at most 20 fields. Never a stack, never a value given.
 */
export function problemReply(
  refusal: Refusal,
  requestId: string,
  errors: readonly FieldError[] = [],
): RouteReply {
  const { http: status, means } = REFUSALS[refusal.code]
  const problem = {
    type: `/docs#error-${refusal.code}`,
    title: means,
    status,
    code: refusal.code,
    detail: refusal.detail.slice(0, DETAIL_MAX),
    field: refusal.field,
    line: refusal.line,
    errors: errors.length > 0 ? errors.slice(0, ERRORS_MAX) : undefined,
    meta: refusal.meta,
    request_id: requestId,
  }
  return {
    status,
    body: JSON.stringify(problem),
    contentType: 'application/problem+json; charset=utf-8',
    headers: headersOf(status),
  }
}

function headersOf(status: number): Readonly<Record<string, string>> {
  // RFC 9110: 401 names the scheme that would do; 503 says when to come again, in seconds.
  if (status === 401) return { 'www-authenticate': 'Bearer', 'cache-control': 'no-store' }
  if (status === 503) return { 'retry-after': '1', 'cache-control': 'no-store' }
  return { 'cache-control': 'no-store' }
}
