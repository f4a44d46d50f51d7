import type { FastifyReply } from 'fastify'
import type { RouteReply } from './route.ts'

/** The content type of every reply that names none. */
export const JSON_TYPE = 'application/json; charset=utf-8'

/** Writes a reply: text under its own content type, all else as JSON. Pages get helmet's headers. */
export function sendReply(
  reply: FastifyReply,
  requestId: string,
  answer: RouteReply,
): FastifyReply {
  reply.code(answer.status)
  reply.header('x-request-id', requestId)
  reply.header('x-content-type-options', 'nosniff')
  if (answer.headers) reply.headers(answer.headers)
  if (answer.body === undefined) return reply.send()
  reply.header('content-type', answer.contentType ?? JSON_TYPE)
  return reply.send(answer.contentType ? answer.body : JSON.stringify(answer.body))
}
