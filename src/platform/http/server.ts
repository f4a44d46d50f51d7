import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import fastifyHelmet from '@fastify/helmet'
import { fastify } from 'fastify'
import type { FastifyInstance } from 'fastify'
import { accept, base32, refuse } from '#kernel/index.ts'
import type { Log } from '../context.ts'
import { refuseListening } from '../refuse-listening.ts'
import type { Authenticate } from './authorize.ts'
import { openApi } from './openapi.ts'
import type { ApiAbout } from './openapi.ts'
import { problemReply } from './problem.ts'
import { replyRecaller } from './recall-reply.ts'
import { malformedHandler, refuseEarly, refuseExpectations } from './refuse-early.ts'
import type { EarlyDeps } from './refuse-early.ts'
import type { RecallReply } from './recall-reply.ts'
import { route as declareRoute } from './route.ts'
import type { AnyRoute } from './route.ts'
import { JSON_TYPE, sendReply } from './send-reply.ts'
import { serveRefusals } from './serve-refusals.ts'
import { BODY_MAX_BYTES, finisher, serveRoute } from './serve-route.ts'
import type { Served } from './serve-route.ts'

/** What a server is made of. `port` 0 picks a free one. */
export type HttpServerOptions = {
  readonly routes: readonly AnyRoute[]
  readonly host: string
  readonly port: number
  readonly authenticate: Authenticate
  readonly log: Log
  readonly observe?: (served: Served) => void
  readonly about?: ApiAbout
}

/** A listening server. `close` takes no new request and lets running ones finish, at most 10 s. */
export type HttpServer = {
  readonly url: string
  readonly port: number
  readonly close: () => Promise<void>
}

const CLOSE_MAX_MS = 10_000

/** Serves the declared routes, `/openapi.json` made from them, and problem+json for all else. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { log, authenticate } = options
  const routes: AnyRoute[] = [...options.routes]
  routes.push(openApiRoute(routes, options.about ?? { title: 'Holdfast', version: '0' }))
  const finish = finisher(log, options.observe)
  const nextId = requestIds()
  const recall = replyRecaller(routes, { finish, nextId })
  let isClosing = false
  const early = { finish, nextId }
  const app = bareServer(early, (request, response) => !isClosing && recall(request, response))
  await app.register(fastifyHelmet, {
    global: false,
    referrerPolicy: { policy: 'same-origin' },
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"] } },
  })
  for (const route of routes) serveRoute(app, route, { authenticate, log, finish })
  serveRefusals(app, routes, { log, finish })
  const wanted = { host: options.host, port: options.port }
  await app
    .listen(wanted)
    .catch((fault: unknown) => refuseListening(fault, { ...wanted, setting: 'HOLDFAST_HTTP_PORT' }))
  const address = app.server.address()
  const port = typeof address === 'object' && address ? address.port : options.port
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  const close = (): Promise<void> => {
    // Fastify ends connections with their next answer; what answers without it would keep them.
    isClosing = true
    return closeWithin(app)
  }
  return { url: `http://${host}:${port}`, port, close }
}

function requestIds(): () => string {
  const start = base32(randomBytes(5))
  let count = 0
  return () => `req_${start}${(count += 1).toString(36)}`
}

const CONNECTION_MS = 120_000
const REQUEST_MS = 30_000
const KEEP_ALIVE_MS = 65_000
/** Largest request line and headers together, in bytes. */
export const HEADER_BYTES_MAX = 16 * 1024
// A missing Host is refused by `refuseEarly`, with a code.
const LIMITS = {
  headersTimeout: 15_000,
  maxHeaderSize: HEADER_BYTES_MAX,
  requireHostHeader: false,
}

function bareServer(early: EarlyDeps, recall: RecallReply): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_MAX_BYTES,
    serverFactory: (handle) => {
      const times = { requestTimeout: REQUEST_MS, keepAliveTimeout: KEEP_ALIVE_MS }
      const server = createServer({ ...LIMITS, ...times }, (request, response) => {
        if (refuseEarly(request, response, early)) return
        if (!recall(request, response)) handle(request, response)
      })
      refuseExpectations(server, early)
      return server.setTimeout(CONNECTION_MS)
    },
    clientErrorHandler: malformedHandler(early),
    return503OnClosing: false,
    genReqId: early.nextId,
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: (_fault, request, reply) => {
      const { refusal } = refuse('route_unknown', 'The address is not a valid path.')
      sendReply(reply, request.id, problemReply(refusal, request.id))
    },
  })
  // The bytes are kept as they came: signatures and idempotency are about bytes, not objects.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    ['application/json', 'application/x-www-form-urlencoded'],
    { parseAs: 'buffer' },
    (_request, body, done) => done(null, body),
  )
  return app
}

function openApiRoute(routes: readonly AnyRoute[], about: ApiAbout): AnyRoute {
  let text: string | undefined
  return declareRoute({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This API as OpenAPI 3.1.',
    access: { kind: 'public' },
    audit: { none: 'read' },
    handle: async () => {
      text ??= JSON.stringify(openApi(routes, about))
      return accept({ status: 200, body: text, contentType: JSON_TYPE })
    },
  })
}

async function closeWithin(app: FastifyInstance): Promise<void> {
  // Whatever still runs after the deadline is cut: a stop must end.
  const timer = setTimeout(() => app.server.closeAllConnections(), CLOSE_MAX_MS)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}
