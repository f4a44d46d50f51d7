import type { AnyRoute } from '#platform/index.ts'
import type { Served } from '#platform/http/index.ts'
import type { Metrics } from './metrics.ts'

const CLASSES = { 2: '2xx', 3: '3xx', 4: '4xx' } as const

/** Counts served requests by declared route: what a caller types never becomes a label value. */
export function httpObserver(
  metrics: Metrics,
  routes: readonly AnyRoute[],
): (served: Served) => void {
  const paths = new Set(['/openapi.json', 'unknown', ...routes.map((route) => route.path)])
  metrics.declareRoutes([...paths])
  return ({ route, status, durationMs }) => {
    const known = paths.has(route) ? route : 'unknown'
    metrics.count('holdfast_http_requests_total', { route: known, status: classOf(status) })
    metrics.observeSeconds(durationMs / 1_000)
  }
}

function classOf(status: number): '2xx' | '3xx' | '4xx' | '5xx' {
  const first = Math.floor(status / 100)
  return first === 2 || first === 3 || first === 4 ? CLASSES[first] : '5xx'
}
