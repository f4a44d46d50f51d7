import { accept, refuse, sha256Hex } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { Caller, Context } from '#platform/index.ts'
import type { Authenticate, HeaderMap } from '#platform/http/index.ts'
import { verifyApiKey } from './api-key.ts'
import { verifySession } from './login.ts'
import { isSameOrigin } from './same-origin.ts'

/** Name of the session cookie: HttpOnly, SameSite=Strict. */
export const SESSION_COOKIE = 'holdfast_session'

/** Who sends a request; `forget` drops what this process remembers, after a key or session ended. */
export type Authenticator = {
  readonly authenticate: Authenticate
  readonly forget: () => void
}

const REMEMBER_MS = 30_000
const REMEMBERED_MAX = 10_000

/**
 * Tells callers by API key (bearer) or session cookie. A good credential is remembered for at most
 * 30 s a process: one that is revoked elsewhere works that much longer here, and no longer.
 */
export function createAuthenticator(
  context: Pick<Context, 'database' | 'merchant' | 'clock'>,
): Authenticator {
  const { database, merchant, clock } = context
  const remembered = new Map<string, { readonly caller: Caller; readonly untilMs: number }>()

  const known = async (
    credential: string,
    verify: () => Promise<Caller | undefined>,
  ): Promise<Caller | undefined> => {
    const hash = sha256Hex(credential)
    const nowMs = clock.monotonicMs()
    const found = remembered.get(hash)
    if (found && found.untilMs > nowMs) return found.caller
    remembered.delete(hash)
    const caller = await verify()
    if (!caller) return undefined
    const oldest = remembered.size >= REMEMBERED_MAX ? remembered.keys().next().value : undefined
    if (oldest !== undefined) remembered.delete(oldest)
    remembered.set(hash, { caller, untilMs: nowMs + REMEMBER_MS })
    return caller
  }

  const byKey = async (key: string): Promise<Outcome<Caller | undefined>> => {
    const caller = await known(key, () => verifyApiKey(database, merchant, key))
    return caller ? accept(caller) : refuse('unauthenticated', 'The API key is not valid.')
  }

  const bySession = async (
    session: string,
    headers: HeaderMap,
    method: string,
  ): Promise<Outcome<Caller | undefined>> => {
    const isRead = method === 'GET' || method === 'HEAD'
    const caller = await known(session, () => verifySession(database, merchant, session))
    if (caller === undefined || isRead || isSameOrigin(headers)) return accept(caller)
    return refuse('forbidden', 'A session may change things only from pages of this origin.')
  }

  return {
    authenticate: async (headers, method) => {
      // RFC 9110 §11.1: the name of a scheme is matched without regard to case.
      const key = /^bearer +(hfk_.*)$/i.exec(headers['authorization'] ?? '')?.[1]
      if (key !== undefined) return byKey(key)
      const session = sessionOf(headers)
      return session === undefined ? accept(undefined) : bySession(session, headers, method)
    },
    forget: () => remembered.clear(),
  }
}

/** The session token that the cookies of a request carry. */
export function sessionOf(headers: HeaderMap): string | undefined {
  const cookies = headers['cookie']
  if (cookies === undefined) return undefined
  return /(?:^|; ?)holdfast_session=([a-z2-7]{52})(?:;|$)/.exec(cookies)?.[1]
}
