import { lookup } from 'node:dns'
import type { LookupAddress, LookupOptions } from 'node:dns'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/** True for an address of the public internet: `ipaddr.js` range `unicast` and nothing else. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  return ipaddr.parse(address).range() === 'unicast'
}

/** The fault of a name or literal that leads to an address we do not call. */
export class AddressRefusedError extends Error {
  readonly code = 'address_refused'
}

/**
 * A DNS look-up that answers only where every address is public, and hands the very addresses it
 * checked to the connector: a name cannot point elsewhere between the check and the connect.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  const everything: LookupOptions & { all: true } = { ...options, all: true }
  lookup(hostname, everything, (fault, addresses) => {
    if (fault) return callback(fault, [])
    const refused = addresses.find((one) => !isPublicAddress(one.address))
    if (refused || addresses.length === 0) {
      return callback(new AddressRefusedError('the name leads to a private address'), [])
    }
    return answer(addresses)
  })
  const answer = (addresses: LookupAddress[]) => {
    const first = addresses[0]
    if (options.all === true || first === undefined) callback(null, addresses)
    else callback(null, first.address, first.family)
  }
}

/** True where a URL host (brackets of IPv6 allowed) is a literal address that we do not call. */
export function isRefusedLiteral(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  return isIP(bare) !== 0 && !isPublicAddress(bare)
}
