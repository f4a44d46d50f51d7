import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { refuse } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import { problemReply } from './problem.ts'
import type { RouteReply } from './route.ts'
import type { Finish } from './serve-route.ts'

/** What an early refusal is written with: the log line and metric, and the id of the request. */
export type EarlyDeps = { readonly finish: Finish; readonly nextId: () => string }

/**
 * Refuses what must not come to the router: other than one `Host` (RFC 9112 §3.2: two could be read
 * as two addresses by a proxy and by us) and a content coding, which no route decodes. True where it
 * has answered.
 */
export function refuseEarly(
  request: IncomingMessage,
  response: ServerResponse,
  deps: EarlyDeps,
): boolean {
  const refusal = hostRefusal(request) ?? codingRefusal(request)
  if (!refusal) return false
  answer(request, response, refusal, deps)
  return true
}

/** Refuses an `Expect` that nobody here meets; Node itself would answer a bare 417. */
export function refuseExpectations(server: Server, deps: EarlyDeps): void {
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    const { refusal } = refuse('expectation_failed', 'Send no Expect, or 100-continue.')
    answer(request, response, refusal, deps)
  })
}

/** Answers what Node itself refuses with a bare 400, 408, 413 or 431: one problem, then the end. */
export function malformedHandler(deps: EarlyDeps) {
  return (fault: Error & { readonly code?: string }, socket: Duplex): void => {
    if (fault.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const { id, reply, startedMs, refusal } = prepared(refusalOfParser(fault.code), deps)
    socket.end(rawResponse(id, reply))
    const request = { method: 'unknown', route: 'unknown', id, startedMs }
    deps.finish(request, { reply, actor: 'public', code: refusal.code })
  }
}

function hostRefusal({ rawHeaders, httpVersion }: IncomingMessage): Refusal | undefined {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  if (hosts === 1 || (hosts === 0 && httpVersion === '1.0')) return undefined
  return refuse('request_malformed', `The request has ${hosts} Host headers; it needs one.`, {
    field: 'Host',
  }).refusal
}

function codingRefusal({ headers }: IncomingMessage): Refusal | undefined {
  const coding = headers['content-encoding']
  if (coding === undefined || coding.trim().toLowerCase() === 'identity') return undefined
  return refuse('media_type_unsupported', 'Send the body as it is, without a content coding.', {
    field: 'Content-Encoding',
  }).refusal
}

// By the codes of Node's HTTP parser; whatever else it says is a request that cannot be read.
function refusalOfParser(code: string | undefined): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return refuse('headers_too_large', 'The request line and headers are above 16 KiB.').refusal
  }
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') {
    return refuse('body_too_large', 'The chunk extensions of the body are too large.').refusal
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return refuse('request_timeout', 'The request did not arrive whole in time.').refusal
  }
  return refuse('request_malformed', 'The request is not valid HTTP/1.1.').refusal
}

function prepared(refusal: Refusal, deps: EarlyDeps) {
  const id = deps.nextId()
  return { id, refusal, startedMs: performance.now(), reply: problemReply(refusal, id) }
}

// The body is not read, so the connection cannot be used again.
function answer(
  request: IncomingMessage,
  response: ServerResponse,
  given: Refusal,
  deps: EarlyDeps,
): void {
  const { id, reply, startedMs, refusal } = prepared(given, deps)
  const coding = refusal.field === 'Content-Encoding' ? { 'accept-encoding': 'identity' } : {}
  response.writeHead(reply.status, { ...headersOf(id, reply), ...coding }).end(reply.body)
  const served = { method: request.method ?? 'unknown', route: 'unknown', id, startedMs }
  deps.finish(served, { reply, actor: 'public', code: refusal.code })
}

function headersOf(id: string, reply: RouteReply): Record<string, string> {
  return {
    'x-request-id': id,
    'x-content-type-options': 'nosniff',
    ...reply.headers,
    'content-type': reply.contentType ?? '',
    'content-length': String(Buffer.byteLength(String(reply.body))),
    connection: 'close',
  }
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  431: 'Request Header Fields Too Large',
}

function rawResponse(id: string, reply: RouteReply): string {
  const headers = Object.entries(headersOf(id, reply)).map(([name, value]) => `${name}: ${value}`)
  const first = `HTTP/1.1 ${reply.status} ${REASONS[reply.status] ?? 'Bad Request'}`
  return `${[first, ...headers].join('\r\n')}\r\n\r\n${String(reply.body)}`
}
