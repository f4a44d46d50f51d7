import { accept, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'

const LOOPBACK = /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/
const PORTS = new Set(['', '443', '8443'])

/**
 * The address policy of a partner, after WHATWG parsing: https on 443 or 8443, no userinfo, query or
 * fragment. `allowPrivate` lifts the port rule and admits http on loopback. The resolved address is
 * checked again at every connect. Answers the address without a trailing slash.
 */
export function checkPartnerUrl(
  text: string,
  allowPrivate: boolean,
): Outcome<string, Refusal<'body_invalid'>> {
  if (!URL.canParse(text)) return wrong('The address is not a URL.')
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return wrong('The address carries credentials.')
  if (url.search !== '' || url.hash !== '') return wrong('The address has a query or a fragment.')
  const isLoopbackHttp = url.protocol === 'http:' && LOOPBACK.test(url.hostname)
  if (url.protocol !== 'https:' && !(allowPrivate && isLoopbackHttp)) {
    return wrong('The address is https, or http on loopback with --allow-private.')
  }
  if (!allowPrivate && !PORTS.has(url.port)) {
    return wrong('The port is 443 or 8443, or any with --allow-private.')
  }
  return accept(`${url.origin}${url.pathname.replace(/\/+$/, '')}`)
}

const wrong = (detail: string) => refuse('body_invalid', detail, { field: 'url' })
