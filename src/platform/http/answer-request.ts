import type { FastifyRequest } from 'fastify'
import { refuse, RefusedError } from '#kernel/index.ts'
import type { Refusal, RefusalCode } from '#kernel/index.ts'
import type { Log } from '../context.ts'
import { databaseUnavailable, isUnavailable } from '../database/database-faults.ts'
import { answerWithin, REQUEST_MAX_MS } from '../deadline.ts'
import { authorize, PUBLIC_CALLER } from './authorize.ts'
import type { Authenticate, HeaderMap } from './authorize.ts'
import { problemReply } from './problem.ts'
import { inputReader } from './read-input.ts'
import type { AnyRoute, Caller, RouteReply } from './route.ts'

/** What goes back, and what the log line tells of it. */
export type Answer = {
  readonly reply: RouteReply
  readonly actor: string
  readonly code?: RefusalCode
}

const NO_BYTES = Buffer.alloc(0)

/**
 * Compiles the whole way of one route: access, input, handler, refusals and faults to problems. Every
 * request is answered within its route's `answerMaxMs`, by `answer_late` where nothing else came.
 */
export function answerer(
  route: AnyRoute,
  options: { readonly authenticate: Authenticate; readonly log: Log },
): (request: FastifyRequest) => Promise<Answer> {
  const answer = untimedAnswerer(route, options)
  const limitMs = route.answerMaxMs ?? REQUEST_MAX_MS
  return (request) =>
    answerWithin(answer(request), limitMs, () => {
      options.log.error({ request_id: request.id, route: route.path }, 'an answer was given up')
      const late = refuse('answer_late', `There was no answer within ${limitMs / 1000} s.`)
      return refused(late.refusal, request.id, PUBLIC_CALLER)
    })
}

function untimedAnswerer(
  route: AnyRoute,
  options: { readonly authenticate: Authenticate; readonly log: Log },
): (request: FastifyRequest) => Promise<Answer> {
  const readInput = inputReader(route)
  return async (request) => {
    const requestId = request.id
    let caller: Caller = PUBLIC_CALLER
    try {
      const headers = requestHeaders(request)
      const known = await authorize(route.access, headers, request.method, options.authenticate)
      if (!known.ok) return refused(known.refusal, requestId, caller)
      caller = known.value
      const rawBody = Buffer.isBuffer(request.body) ? request.body : NO_BYTES
      const input = readInput({
        body: rawBody,
        mediaType: headers['content-type'],
        query: request.query,
        params: request.params,
      })
      if (!input.ok) {
        const reply = problemReply(input.refusal, requestId, input.errors)
        return { reply, actor: caller.actor, code: input.refusal.code }
      }
      const { body, query, params } = input.value
      const outcome = await route.handle({
        body,
        query,
        params,
        caller,
        headers,
        rawBody,
        url: request.url,
        requestId,
      })
      if (outcome.ok) return { reply: outcome.value, actor: caller.actor }
      return refused(outcome.refusal, requestId, caller)
    } catch (fault) {
      return refused(refusalOfFault(fault, requestId, options.log), requestId, caller)
    }
  }
}

/** A fault becomes `internal` and a log line with its stack; the reply has the request id alone. */
export function refusalOfFault(fault: unknown, requestId: string, log: Log): Refusal {
  if (fault instanceof RefusedError) return fault.refusal
  log.error({ err: fault, request_id: requestId }, 'a request failed')
  if (isUnavailable(fault)) return databaseUnavailable().refusal
  return refuse('internal', 'Something failed here; the log has it under the request id.').refusal
}

function refused(refusal: Refusal, requestId: string, caller: Caller): Answer {
  return { reply: problemReply(refusal, requestId), actor: caller.actor, code: refusal.code }
}

// Node joins repeated request headers into one text; `set-cookie` alone is a list, and nobody reads
// that one from a request.
function requestHeaders(request: FastifyRequest): HeaderMap {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return request.headers as HeaderMap
}
