import type { AnyRoute } from './route.ts'

/** The methods that a path answers to; empty where no route has that path. Only asked after a miss. */
export function methodTable(routes: readonly AnyRoute[]): (path: string) => readonly string[] {
  const rows = routes.map((route) => ({
    method: route.method,
    pattern: new RegExp(`^${route.path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`),
  }))
  return (path) => {
    const methods = rows.filter((row) => row.pattern.test(path)).map((row) => row.method)
    const withHead = methods.includes('GET') ? ['HEAD', ...methods] : methods
    return [...new Set(withHead)].toSorted()
  }
}
