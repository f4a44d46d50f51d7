import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import {
  endSession,
  isSameOrigin,
  SESSION_COOKIE,
  SESSION_S,
  sessionOf,
  spendLogin,
} from '#access/index.ts'
import type { Authenticator } from '#access/index.ts'
import { route, transact, withTransaction } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { html } from '#platform/http/index.ts'
import { framed } from './frame.ts'

const token = z.string().min(1).max(200)

/**
 * `/console/login` and `/console/logout`. Opening the login shows a button and changes nothing, so a
 * link preview cannot burn it; pressing the button spends it. `isSecure` marks the cookie `Secure`.
 */
export function loginRoutes(
  context: Context,
  authenticator: Pick<Authenticator, 'forget'>,
  options: { readonly isSecure: boolean },
): readonly AnyRoute[] {
  const cookieEnd = `Path=/; HttpOnly; SameSite=Strict${options.isSecure ? '; Secure' : ''}`
  return [
    askRoute(),
    spendRoute(
      context,
      (session) => `${SESSION_COOKIE}=${session}; Max-Age=${SESSION_S}; ${cookieEnd}`,
    ),
    leaveRoute(context, authenticator, `${SESSION_COOKIE}=; Max-Age=0; ${cookieEnd}`),
  ]
}

const askRoute = (): AnyRoute =>
  route({
    method: 'GET',
    path: '/console/login',
    summary: 'Asks whether to log in (a page).',
    access: { kind: 'public' },
    audit: { none: 'read' },
    query: z.object({ token }),
    handle: async ({ query }) =>
      accept(
        framed({
          title: 'Log in',
          main: html`<h1>Log in to the console</h1>
            <p>This login is good for one use. The session lasts 12 hours.</p>
            <form method="post" action="/console/login">
              <input type="hidden" name="token" value="${query.token}" />
              <button>Log in</button>
            </form>`,
        }),
      ),
  })

const spendRoute = (
  { database, merchant }: Context,
  cookie: (session: string) => string,
): AnyRoute =>
  route({
    method: 'POST',
    path: '/console/login',
    summary: 'Spends a one-time login and opens a session.',
    access: { kind: 'public' },
    audit: { action: 'access.login_spent' },
    bodyFormat: 'form',
    body: z.strictObject({ token }),
    handle: async ({ body, headers }) => {
      // Another site must not log a browser in as somebody of its choice.
      if (!isSameOrigin(headers)) return refuse('forbidden', 'Log in from the page of this origin.')
      const spent = await transact(database, (tx) => spendLogin(tx, merchant, body.token))
      if (!spent.ok) return accept(expiredPage())
      const headersOut = { location: '/console', 'set-cookie': cookie(spent.value.session) }
      return accept({ status: 303, headers: { ...headersOut, 'cache-control': 'no-store' } })
    },
  })

const leaveRoute = (
  { database, merchant }: Context,
  authenticator: Pick<Authenticator, 'forget'>,
  cookie: string,
): AnyRoute =>
  route({
    method: 'POST',
    path: '/console/logout',
    summary: 'Ends the session.',
    access: { kind: 'public' },
    audit: { action: 'access.session_ended' },
    bodyFormat: 'form',
    handle: async ({ headers }) => {
      const session = sessionOf(headers)
      if (session !== undefined) {
        await withTransaction(database, (tx) => endSession(tx, merchant, session))
        authenticator.forget()
      }
      return accept({ status: 303, headers: { location: '/console', 'set-cookie': cookie } })
    },
  })

const expiredPage = () =>
  framed({
    title: 'Log in',
    status: 401,
    main: html`<h1>This login no longer works</h1>
      <p>
        It was used before, or it is older than 15 minutes. Start Holdfast again to get another.
      </p>`,
  })
