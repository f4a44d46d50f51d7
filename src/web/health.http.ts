import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute } from '#platform/index.ts'

/** One thing that must hold before this process takes work. `detail` never holds an address or secret. */
export type Readiness = { readonly name: string; readonly ok: boolean; readonly detail?: string }

/** `/healthz`: the process answers. `/readyz`: every check holds, else 503 with the ones that do not. */
export function healthRoutes(checks: () => Promise<readonly Readiness[]>): readonly AnyRoute[] {
  const open = { access: { kind: 'public' }, audit: { none: 'read' } } as const
  const headers = { 'cache-control': 'no-store' }
  return [
    route({
      ...open,
      method: 'GET',
      path: '/healthz',
      summary: 'The process is alive.',
      handle: async () => accept({ status: 200, headers, body: { status: 'alive' } }),
    }),
    route({
      ...open,
      method: 'GET',
      path: '/readyz',
      summary: 'The process can take work: 200, or 503 with what is missing.',
      handle: async () => {
        const found = await checks()
        const isReady = found.every((check) => check.ok)
        const body = { status: isReady ? 'ready' : 'not_ready', checks: found }
        return accept({ status: isReady ? 200 : 503, headers, body })
      },
    }),
  ]
}
