import { expect, test } from 'vitest'
import { z } from 'zod'
import { accept, systemClock } from '#kernel/index.ts'
import { openDatabase, route, SCOPES, silentLog } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { allRoutes } from '../../src/roles/routes.ts'

// Routes are declared over a context that nobody calls, so no database is needed to look at them.
const context: Context = {
  merchant: 'main',
  database: openDatabase('postgres://127.0.0.1:1/none'),
  clock: systemClock,
  log: silentLog,
  provenance: () => Promise.reject(new Error('nobody asks')),
}
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const deps = { orders: { context }, authenticator: {}, secrets: {}, isSecure: false } as Parameters<
  typeof allRoutes
>[0]
const routes = allRoutes(deps)

const passesOver = ({ query }: AnyRoute): boolean => {
  const { error } = query?.safeParse({ misspelled: 'x' }) ?? {}
  return query !== undefined && !error?.issues.some((issue) => issue.code === 'unrecognized_keys')
}

/** What is wrong with the declarations of some routes; one line a fault. */
function routeFaults(declared: readonly AnyRoute[]): readonly string[] {
  const names = declared.map((one) => `${one.method} ${one.path}`)
  return declared.flatMap((one, index) => {
    const name = names[index] ?? ''
    const { access } = one
    const isRead = 'none' in one.audit && one.audit.none === 'read'
    const faults: readonly (readonly [boolean, string])[] = [
      [names.indexOf(name) !== index, 'is declared twice'],
      [access.kind === 'scope' && !SCOPES.includes(access.scope), 'names an unknown scope'],
      [one.path.startsWith('/admin/') && access.kind !== 'scope', 'is admin without a scope'],
      [one.method === 'GET' && !isRead, 'reads and claims an audit row'],
      [one.method !== 'GET' && isRead, 'changes something and leaves no trace'],
      [one.method === 'GET' && one.body !== undefined, 'reads and takes a body'],
      [one.path.includes(':') && one.params === undefined, 'has parameters without a schema'],
      [one.summary.length < 5, 'has no summary'],
      [
        access.kind === 'scope' && passesOver(one),
        'passes over query parameters that it does not know',
      ],
    ]
    return faults.flatMap(([isWrong, fault]) => (isWrong ? [`${name} ${fault}`] : []))
  })
}

test('every route declares who may call it and what trace it leaves', () => {
  expect(routes.length).toBeGreaterThan(40) // A guard that looked at nothing must not pass.
  expect(routeFaults(routes)).toEqual([])
})

test('the guard sees a route that is open and leaves no trace', () => {
  const careless = route({
    method: 'POST',
    path: '/admin/x/:id',
    summary: 'x',
    access: { kind: 'public' },
    audit: { none: 'read' },
    handle: async () => accept({ status: 200 }),
  })
  expect(routeFaults([careless, careless])).toEqual(
    expect.arrayContaining([
      'POST /admin/x/:id is declared twice',
      'POST /admin/x/:id is admin without a scope',
      'POST /admin/x/:id changes something and leaves no trace',
      'POST /admin/x/:id has parameters without a schema',
      'POST /admin/x/:id has no summary',
    ]),
  )
  const scoped = route({
    method: 'GET',
    path: '/admin/y',
    summary: 'what passes over a misspelled filter',
    access: { kind: 'scope', scope: 'orders:read' },
    audit: { none: 'read' },
    query: z.object({}),
    handle: async () => accept({ status: 200 }),
  })
  expect(routeFaults([scoped])).toEqual([
    'GET /admin/y passes over query parameters that it does not know',
  ])
})
