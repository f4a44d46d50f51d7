import type { IncomingMessage, ServerResponse } from 'node:http'
import { invariant } from '#kernel/index.ts'
import type { HeaderMap } from './authorize.ts'
import { PUBLIC_CALLER } from './authorize.ts'
import type { AnyRoute, RouteReply } from './route.ts'
import { JSON_TYPE } from './send-reply.ts'
import type { Finish } from './serve-route.ts'

/** Answers a request from what its route remembers, and says whether it did. */
export type RecallReply = (request: IncomingMessage, response: ServerResponse) => boolean

/**
 * Asks the routes that remember replies before anything else is done with a request: no routing, no
 * hooks, no schema, since the very address was answered before. Only for a GET that carries no
 * credential: one that is given must be looked at, and that takes the long way.
 */
export function replyRecaller(
  routes: readonly AnyRoute[],
  options: { readonly finish: Finish; readonly nextId: () => string },
): RecallReply {
  const remembering = routes.flatMap(({ recall, path, access, method }) => {
    if (!recall) return []
    invariant(access.kind === 'public' && method === 'GET', `${path} is open to anybody's GET`)
    return [{ recall, path }]
  })
  return (request, response) => {
    if (request.method !== 'GET') return false
    const { authorization, cookie } = request.headers
    if (authorization !== undefined || cookie !== undefined) return false
    const startedMs = performance.now()
    for (const { recall, path } of remembering) {
      const reply = recall(request.url ?? '', toHeaderMap(request))
      if (!reply) continue
      const id = options.nextId()
      writeReply(response, id, reply)
      const answered = { reply, actor: PUBLIC_CALLER.actor }
      options.finish({ method: 'GET', route: path, id, startedMs }, answered)
      return true
    }
    return false
  }
}

// Names and values in turn: the form that Node sends as it stands.
function writeReply(response: ServerResponse, id: string, reply: RouteReply): void {
  const headers = ['x-request-id', id, 'x-content-type-options', 'nosniff']
  for (const name in reply.headers) headers.push(name, reply.headers[name] ?? '')
  if (typeof reply.body !== 'string') {
    response.writeHead(reply.status, headers).end()
    return
  }
  headers.push('content-type', reply.contentType ?? JSON_TYPE)
  headers.push('content-length', String(Buffer.byteLength(reply.body)))
  response.writeHead(reply.status, headers).end(reply.body)
}

// As for every request of ours: repeated headers are joined, and nobody reads `set-cookie` here.
function toHeaderMap(request: IncomingMessage): HeaderMap {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return request.headers as HeaderMap
}
