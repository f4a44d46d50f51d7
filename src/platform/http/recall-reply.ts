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
  const writeReply = replyWriter()
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

type Lasting = { readonly headers: readonly string[]; readonly body: string }

/** Writes replies; what does not change from one answer to the next is made once a reply. */
function replyWriter(): (response: ServerResponse, id: string, reply: RouteReply) => void {
  const known = new WeakMap<RouteReply, Lasting>()
  return (response, id, reply) => {
    let lasting = known.get(reply)
    if (!lasting) known.set(reply, (lasting = toLasting(reply)))
    const { headers, body } = lasting
    response.writeHead(reply.status, ['x-request-id', id, ...headers]).end(body)
  }
}

// Names and values in turn: the form that Node sends as it stands.
function toLasting({ headers = {}, body, contentType = JSON_TYPE }: RouteReply): Lasting {
  const list = ['x-content-type-options', 'nosniff', ...Object.entries(headers).flat()]
  if (typeof body !== 'string') return { headers: list, body: '' }
  const length = String(Buffer.byteLength(body))
  return { headers: [...list, 'content-type', contentType, 'content-length', length], body }
}

// As for every request of ours: repeated headers are joined, and nobody reads `set-cookie` here.
function toHeaderMap(request: IncomingMessage): HeaderMap {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return request.headers as HeaderMap
}
