import { refuse } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import type { FastifyInstance } from 'fastify'
import type { Log } from '../context.ts'
import { methodTable } from './allowed-methods.ts'
import { refusalOfFault } from './answer-request.ts'
import { problemReply } from './problem.ts'
import type { AnyRoute } from './route.ts'
import { sendReply } from './send-reply.ts'
import type { Finish } from './serve-route.ts'

/** Everything that no route answers: unknown paths and methods, and what fails before a handler. */
export function serveRefusals(
  app: FastifyInstance,
  routes: readonly AnyRoute[],
  options: { readonly log: Log; readonly finish: Finish },
): void {
  const allowedMethods = methodTable(routes)
  const declared = new Map(routes.map((route) => [`${route.method} ${route.path}`, route]))

  app.setNotFoundHandler((request, reply) => {
    const startedMs = performance.now()
    const methods = allowedMethods(request.url.split('?')[0] ?? '')
    const { refusal } =
      methods.length > 0
        ? refuse('method_unsupported', `The route takes ${methods.join(', ')}.`)
        : refuse('route_unknown', 'No such route; /docs lists those there are.')
    const problem = problemReply(refusal, request.id)
    const headers = methods.length > 0 ? { allow: methods.join(', ') } : {}
    sendReply(reply, request.id, { ...problem, headers: { ...problem.headers, ...headers } })
    const answer = { reply: problem, actor: 'public', code: refusal.code }
    options.finish({ method: request.method, route: 'unknown', id: request.id, startedMs }, answer)
    return reply
  })

  app.setErrorHandler((fault, request, reply) => {
    const startedMs = performance.now()
    const refusal = refusalOfReading(fault) ?? refusalOfFault(fault, request.id, options.log)
    const problem = problemReply(refusal, request.id)
    sendReply(reply, request.id, problem)
    const route = request.routeOptions.url ?? 'unknown'
    declared.get(`${request.method} ${route}`)?.onRefused?.(refusal.code)
    const answer = { reply: problem, actor: 'public', code: refusal.code }
    options.finish({ method: request.method, route, id: request.id, startedMs }, answer)
    return reply
  })
}

// What fastify itself refuses while it reads a request, by its documented error codes.
function refusalOfReading(fault: unknown): Refusal | undefined {
  const code = fault instanceof Error && 'code' in fault ? fault.code : undefined
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return refuse('body_too_large', 'The body is larger than this route takes.').refusal
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return refuse('media_type_unsupported', 'Send application/json.').refusal
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return refuse('body_malformed', 'The body is not as long as Content-Length says.').refusal
    default:
      return undefined
  }
}
