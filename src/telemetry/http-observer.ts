import type { AnyRoute } from '#platform/index.ts'
import type { Served } from '#platform/http/index.ts'
import type { Metrics } from './metrics.ts'

const CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const

/** Counts served requests by declared route: what a caller types never becomes a label value. */
export function httpObserver(
  metrics: Metrics,
  routes: readonly AnyRoute[],
): (served: Served) => void {
  const paths = new Set(['/openapi.json', 'unknown', ...routes.map((route) => route.path)])
  metrics.declareRoutes([...paths])
  const tallyOf = (route: string) => {
    const tallies = CLASSES.map((status) =>
      metrics.tally('holdfast_http_requests_total', { route, status }),
    )
    return (status: number): void => (tallies[Math.floor(status / 100) - 2] ?? tallies.at(-1))?.()
  }
  const unknown = tallyOf('unknown')
  const known = new Map([...paths].map((route) => [route, tallyOf(route)]))
  return ({ route, status, durationMs }) => {
    const tally = known.get(route) ?? unknown
    tally(status)
    metrics.observeSeconds(durationMs / 1_000)
  }
}
