import type { FastifyInstance } from 'fastify'
import type { Log } from '../context.ts'
import { answerer } from './answer-request.ts'
import type { Answer } from './answer-request.ts'
import type { Authenticate } from './authorize.ts'
import type { AnyRoute } from './route.ts'
import { sendReply } from './send-reply.ts'

/** One request as it was served, for metrics. `route` is the declared path, never the given one. */
export type Served = {
  readonly method: string
  readonly route: string
  readonly status: number
  /** From the last byte of the body to the reply, in milliseconds. */
  readonly durationMs: number
}

/** Called once a request: counts it and writes its log line, which holds no query and no header. */
export type Finish = (
  request: { method: string; route: string; id: string; startedMs: number },
  answer: Answer,
) => void

/** Largest body in bytes where a route does not say. */
export const BODY_MAX_BYTES = 64 * 1024

/** Registers one declared route. */
export function serveRoute(
  app: FastifyInstance,
  route: AnyRoute,
  options: { readonly authenticate: Authenticate; readonly log: Log; readonly finish: Finish },
): void {
  const answer = answerer(route, options)
  app.route({
    method: route.method,
    url: route.path,
    bodyLimit: route.bodyMaxBytes ?? BODY_MAX_BYTES,
    handler: async (request, reply) => {
      const startedMs = performance.now()
      const answered = await answer(request)
      if (answered.reply.contentType?.startsWith('text/html') === true) reply.helmet()
      if (route.access.kind !== 'public') reply.header('cache-control', 'no-store')
      sendReply(reply, request.id, answered.reply)
      const { id, method } = request
      if (answered.code) route.onRefused?.(answered.code)
      options.finish({ method, route: route.path, id, startedMs }, answered)
      return reply
    },
  })
}

/** Makes the `finish` of a server out of its log and its metrics observer. */
export function finisher(log: Log, observe: ((served: Served) => void) | undefined): Finish {
  return (request, answer) => {
    const { method, route } = request
    const { status } = answer.reply
    const durationMs = performance.now() - request.startedMs
    observe?.({ method, route, status, durationMs })
    log.info(
      {
        request_id: request.id,
        method,
        route,
        status,
        duration_ms: Math.round(durationMs * 100) / 100,
        actor: answer.actor,
        code: answer.code,
      },
      'served',
    )
  }
}
