import { accept, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { checkNetwork, networksOf, urlFault } from '#platform/outbound/index.ts'

/**
 * The address policy of a partner, after WHATWG parsing: https on 443 or 8443, no userinfo, query or
 * fragment. `allowPrivate` (all private networks, or a list of CIDR) lifts the port rule and admits http
 * on loopback. Name and address are checked again at every connect. Answers without a trailing slash.
 */
export function checkPartnerUrl(
  text: string,
  allowPrivate: boolean | readonly string[],
): Outcome<string, Refusal<'body_invalid'>> {
  if (!URL.canParse(text)) return wrong('The address is not a URL.')
  const url = new URL(text)
  if (url.search !== '' || url.hash !== '') return wrong('The address has a query or a fragment.')
  const fault = urlFault(url, networksOf(allowPrivate))
  if (fault !== undefined) return wrong(fault)
  return accept(`${url.origin}${url.pathname.replace(/\/+$/, '')}`)
}

/** The most networks that one partner may be in. */
const NETWORKS_MAX = 32

/** An allow-list of networks in CIDR notation, each checked and said once, sorted. */
export function checkNetworks(
  cidrs: readonly string[],
): Outcome<readonly string[], Refusal<'body_invalid'>> {
  if (cidrs.length > NETWORKS_MAX) {
    return refuse('body_invalid', `At most ${NETWORKS_MAX} networks.`, { field: 'networks' })
  }
  const networks = new Set<string>()
  for (const cidr of cidrs) {
    const network = checkNetwork(cidr)
    if (!network.ok) return network
    networks.add(network.value)
  }
  return accept([...networks].toSorted())
}

const wrong = (detail: string) => refuse('body_invalid', detail, { field: 'url' })
