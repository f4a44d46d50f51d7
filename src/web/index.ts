import type { Authenticator } from '#access/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { consoleRoute, statsRoute } from './console-page.ts'
import { docsRoute } from './docs-page.ts'
import { healthRoutes } from './health.http.ts'
import type { Readiness } from './health.http.ts'
import { homeRoute } from './home-page.ts'
import { loginRoutes } from './login-pages.ts'
import type { ReadStats } from './stats.ts'

export type { Readiness } from './health.http.ts'
export type { Counted, ReadStats, Stats } from './stats.ts'

/** Pages, `/admin/stats` and health. `/docs` lists these and `otherRoutes`. */
export function webRoutes(
  context: Context,
  parts: {
    readonly authenticator: Pick<Authenticator, 'forget'>
    readonly stats: ReadStats
    readonly readiness: () => Promise<readonly Readiness[]>
    readonly isSecure: boolean
    readonly otherRoutes: readonly AnyRoute[]
  },
): readonly AnyRoute[] {
  const own: readonly AnyRoute[] = [
    homeRoute(),
    docsRoute(() => [...own, ...parts.otherRoutes]),
    consoleRoute(parts.stats),
    ...loginRoutes(context, parts.authenticator, { isSecure: parts.isSecure }),
    statsRoute(parts.stats),
    ...healthRoutes(parts.readiness),
  ]
  return own
}
