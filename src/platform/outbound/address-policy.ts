import { lookup } from 'node:dns'
import type { LookupAddress, LookupOptions } from 'node:dns'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'

/** What can be allowed at all. Link-local, where clouds keep their credentials, is not among it. */
const ALLOWABLE = new Set(['private', 'loopback', 'uniqueLocal', 'carrierGradeNat'])

/** Every network that can be allowed, as CIDR: RFC 1918, RFC 6598, RFC 4193 and loopback. */
export const PRIVATE_NETWORKS: readonly string[] = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
]

/** Finds the addresses of a name, as `dns.lookup` does. */
export type Resolve = (
  name: string,
  options: LookupOptions & { all: true },
  callback: (fault: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** All of IPv6 that IANA has given out as global unicast. */
const GLOBAL_UNICAST = network6('2000::/3')
/**
 * What within it is no endpoint of the public internet, by IANA's special-purpose registry: protocol
 * assignments (Teredo, benchmarking, ORCHID, …), documentation, 6to4, AS112, 6bone.
 */
const SPECIAL_UNICAST = [
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '2620:4f:8000::/48',
  '3ffe::/16',
  '3fff::/20',
].map(network6)

/**
 * True for an address of the public internet. IPv4: `ipaddr.js` range `unicast` and nothing else. IPv6:
 * 2000::/3 less the special ranges; whatever carries an IPv4 address in another form is outside of it.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  if (!(parsed instanceof ipaddr.IPv6)) return true
  return parsed.match(GLOBAL_UNICAST) && !SPECIAL_UNICAST.some((one) => parsed.match(one))
}

function network6(cidr: string): [ipaddr.IPv6, number] {
  return ipaddr.IPv6.parseCIDR(cidr)
}

/**
 * Checks one entry of an allow-list: CIDR without host bits, all of it in one range that can be
 * allowed. Refuses `body_invalid`: `0.0.0.0/0`, `169.254.0.0/16` and public networks among others.
 */
export function checkNetwork(cidr: string): Outcome<string, Refusal<'body_invalid'>> {
  const wrong = (detail: string) =>
    refuse('body_invalid', `${cidr} ${detail}.`, { field: 'networks' })
  if (!ipaddr.isValidCIDR(cidr)) return wrong('is not a network in CIDR notation')
  const [address, bits] = ipaddr.parseCIDR(cidr)
  const of = address.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6
  const first = of.networkAddressFromCIDR(cidr)
  if (first.toString() !== address.toString()) return wrong('has bits behind its prefix')
  const range = first.range()
  if (!ALLOWABLE.has(range) || lastOf(first, bits).range() !== range) {
    return wrong('is not within a private, loopback or shared network')
  }
  return accept(`${first.toString()}/${bits}`)
}

/** True where an address may be called: public, or in one of the allowed networks, as itself. */
export function mayCall(address: string, networks: readonly string[]): boolean {
  if (isPublicAddress(address)) return true
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.parse(address)
  // An IPv4 address dressed as IPv6 is of another range and of no network.
  if (!ALLOWABLE.has(parsed.range())) return false
  return networks.some((cidr) => {
    const [network, bits] = ipaddr.parseCIDR(cidr)
    return network.kind() === parsed.kind() && parsed.match(network, bits)
  })
}

/** The networks that an endpoint on a private address asks for: its own address, or all for a name. */
export function networksFor(host: string): readonly string[] {
  const bare = bareHost(host)
  if (/^localhost\.?$/i.test(bare)) return ['127.0.0.0/8', '::1/128']
  if (isIP(bare) === 0) return PRIVATE_NETWORKS
  return isPublicAddress(bare) ? [] : [`${bare}/${isIP(bare) === 4 ? 32 : 128}`]
}

/** The fault of a name or literal that leads to an address we do not call. */
export class AddressRefusedError extends Error {
  readonly code = 'address_refused'
}

/**
 * A DNS look-up that answers only where every address may be called, and hands the very addresses it
 * checked to the connector: a name cannot point elsewhere between the check and the connect.
 */
export function guardedLookup(
  networks: readonly string[],
  resolve: Resolve = lookup,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (fault, addresses) => {
      if (fault) return callback(fault, [])
      const [first] = addresses
      if (!first || addresses.some((one) => !mayCall(one.address, networks))) {
        return callback(new AddressRefusedError('the name leads to a private address'), [])
      }
      if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}

/** True where a URL host (brackets of IPv6 allowed) is a literal address that we do not call. */
export function isRefusedLiteral(host: string, networks: readonly string[] = []): boolean {
  const bare = bareHost(host)
  return isIP(bare) !== 0 && !mayCall(bare, networks)
}

const bareHost = (host: string): string => host.replace(/^\[(.*)\]$/, '$1')

function lastOf(first: ipaddr.IPv4 | ipaddr.IPv6, bits: number): ipaddr.IPv4 | ipaddr.IPv6 {
  const bytes = first.toByteArray()
  const last = bytes.map(
    (byte, index) => byte | (0xff >> Math.min(8, Math.max(0, bits - index * 8))),
  )
  return ipaddr.fromByteArray(last)
}
