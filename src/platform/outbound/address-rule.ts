import { isRefusedLiteral, PRIVATE_NETWORKS } from './address-policy.ts'

const PORTS = new Set(['', '443', '8443'])
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|localhost|\[::1\])$/

/** The networks that an endpoint may be in, beyond the public internet. */
export function networksOf(allowPrivate: boolean | readonly string[]): readonly string[] {
  if (typeof allowPrivate !== 'boolean') return allowPrivate
  return allowPrivate ? PRIVATE_NETWORKS : []
}

/**
 * What is wrong with an address, after WHATWG parsing, or undefined: https on 443 or 8443, no
 * userinfo, no literal address that may not be called. Where private networks are allowed, any port,
 * and http on loopback. Asked at registration, and again before every exchange.
 */
export function urlFault(url: URL, networks: readonly string[]): string | undefined {
  const isPrivate = networks.length > 0
  if (url.username !== '' || url.password !== '') return 'The address carries credentials.'
  const isLoopbackHttp = url.protocol === 'http:' && LOOPBACK.test(url.hostname)
  if (url.protocol !== 'https:' && !(isPrivate && isLoopbackHttp)) {
    return 'The address is https, or http on loopback with --allow-private.'
  }
  if (!isPrivate && !PORTS.has(url.port)) {
    return 'The port is 443 or 8443, or any with --allow-private.'
  }
  if (isRefusedLiteral(url.hostname, networks)) {
    return 'The address is not one of the public internet, nor in a network that is allowed.'
  }
  return undefined
}
