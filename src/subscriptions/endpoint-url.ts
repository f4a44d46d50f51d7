import { accept, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { checkPartnerUrl } from '#partners/index.ts'
import { isRefusedLiteral } from '#platform/outbound/index.ts'

/**
 * The address of an endpoint under the address policy of partners (HDP/1 §1.11): https on 443 or 8443,
 * no credentials, no query, no fragment; `allowPrivate` admits http on loopback and any port. A literal
 * private address is refused here, a name that leads to one at every connect. Kept as it was given.
 */
export function checkEndpointUrl(
  text: string,
  allowPrivate: boolean,
): Outcome<string, Refusal<'body_invalid'>> {
  const checked = checkPartnerUrl(text, allowPrivate)
  if (!checked.ok) return checked
  const url = new URL(text)
  if (!allowPrivate && isRefusedLiteral(url.hostname)) {
    return refuse('body_invalid', 'The address is not one of the public internet.', {
      field: 'url',
    })
  }
  return accept(url.href)
}
