import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { FLAGS } from './flag.ts'
import { isFlagKey, readFlags } from './read-flags.ts'
import { setFlag } from './set-flag.ts'

/** `/admin/flags`. */
export function flagRoutes(context: Context): readonly AnyRoute[] {
  return [listRoute(context), setRoute(context)]
}

const listRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/flags',
    summary: 'Every flag: its value, its safe side and its last change.',
    access: { kind: 'scope', scope: 'admin:read' },
    audit: { none: 'read' },
    handle: async () => {
      const set = await readFlags(database, merchant)
      const items = Object.keys(FLAGS)
        .filter((key) => isFlagKey(key))
        .map((key) => {
          const last = set.changes.get(key)
          const { initial, safe, means } = FLAGS[key]
          return {
            key,
            value: last?.value ?? initial,
            safe,
            means,
            changed_by: last?.actor ?? null,
            changed_at: last?.at ?? null,
            reason: last?.reason ?? null,
          }
        })
      return accept({ status: 200, body: { version: set.version, items } })
    },
  })

const setRoute = (context: Context): AnyRoute =>
  route({
    method: 'PUT',
    path: '/admin/flags/:key',
    summary: 'Sets a flag, with the reason. Readers follow within a second.',
    access: { kind: 'scope', scope: 'flags:write' },
    audit: { action: 'flags.changed' },
    params: z.object({ key: z.string() }),
    body: z.strictObject({ value: z.boolean(), reason: z.string().trim().min(1).max(500) }),
    handle: async ({ params, body, caller }) => {
      const set = await setFlag(context, { ...params, ...body, actor: caller.actor })
      if (!set.ok) return set
      const { key, value, version, isChanged } = set.value
      return accept({ status: 200, body: { key, value, version, changed: isChanged } })
    },
  })
