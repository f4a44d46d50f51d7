import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { Access, Caller } from './route.ts'

/** Request headers as Node gives them, lower-case names. */
export type HeaderMap = Readonly<Record<string, string | undefined>>

/**
 * Who sends these headers: `undefined` where they carry no credential of ours, a refusal
 * (`unauthenticated`, `forbidden`) where they carry one that is not good for this method.
 */
export type Authenticate = (
  headers: HeaderMap,
  method: string,
) => Promise<Outcome<Caller | undefined>>

/** The caller of a request without a credential. */
export const PUBLIC_CALLER: Caller = { actor: 'public', scopes: new Set() }

/**
 * Holds a request to its route's declaration. `signature` and `internal` are proven by the handler,
 * which has the raw bytes. A credential that is given must be good, on public routes too: a revoked
 * key must not quietly become a stranger.
 */
export async function authorize(
  access: Access,
  headers: HeaderMap,
  method: string,
  authenticate: Authenticate,
): Promise<Outcome<Caller>> {
  if (access.kind === 'signature' || access.kind === 'internal') return accept(PUBLIC_CALLER)
  const known = await authenticate(headers, method)
  if (!known.ok) return known
  const caller = known.value
  if (access.kind !== 'scope') return accept(caller ?? PUBLIC_CALLER)
  if (!caller) return refuse('unauthenticated', 'Send an API key as a bearer token, or log in.')
  if (caller.scopes.has(access.scope)) return accept(caller)
  return refuse('forbidden', `The route needs the scope ${access.scope}.`, {
    meta: { scope: access.scope },
  })
}
