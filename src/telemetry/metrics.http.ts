import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute } from '#platform/index.ts'
import type { Metrics } from './metrics.ts'

/** `/metrics`: public, because it holds counts only; put a proxy before it where that is too much. */
export function metricsRoutes(metrics: Pick<Metrics, 'expose'>): readonly AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/metrics',
      summary: 'Prometheus metrics. Public: counts only, no order, SKU or person.',
      access: { kind: 'public' },
      audit: { none: 'read' },
      handle: async () =>
        accept({
          status: 200,
          body: await metrics.expose(),
          contentType: 'text/plain; version=0.0.4; charset=utf-8',
        }),
    }),
  ]
}
