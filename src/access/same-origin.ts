import type { HeaderMap } from '#platform/http/index.ts'

/**
 * True where the browser says that one of our own pages sent the request: `Sec-Fetch-Site` (Fetch
 * Metadata) where it is sent, else `Origin` against `Host`. A request that says neither is foreign.
 */
export function isSameOrigin(headers: HeaderMap): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  const origin = URL.parse(headers['origin'] ?? '')
  return origin !== null && origin.host !== '' && origin.host === headers['host']
}
