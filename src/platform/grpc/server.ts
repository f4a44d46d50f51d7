import { createServer } from 'node:http2'
import type { ServerHttp2Session } from 'node:http2'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import type { ConnectRouter } from '@connectrpc/connect'
import { refuseListening } from '../refuse-listening.ts'
import { nameMalformedMessages } from './malformed-message.ts'
import { nameUnavailable } from './name-unavailable.ts'

/** A listening gRPC server (HTTP/2 without TLS; put TLS in front of it beyond loopback). */
export type GrpcServer = {
  readonly url: string
  readonly port: number
  readonly close: () => Promise<void>
}

/** The longest silence on a connection, in milliseconds: no message, no answer, no ping. */
const SESSION_IDLE_MAX_MS = 120_000

/**
 * Serves gRPC. `messageBytesMax` bounds each message in both directions; the protocol's own limits
 * are below it. `port` 0 picks a free one. `close` lets running calls finish, at most 10 s.
 */
export async function startGrpcServer(options: {
  services: readonly ((router: ConnectRouter) => void)[]
  host: string
  port: number
  messageBytesMax: number
}): Promise<GrpcServer> {
  const { host, port, messageBytesMax } = options
  const handler = connectNodeAdapter({
    routes: (router) => {
      for (const service of options.services) service(router)
      nameMalformedMessages(router)
    },
    interceptors: [nameUnavailable],
    connect: false,
    grpcWeb: false,
    readMaxBytes: messageBytesMax,
    writeMaxBytes: messageBytesMax,
  })
  const server = createServer({ settings: { maxConcurrentStreams: 100 } }, handler)
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    // One on which nothing moves is ended, with the calls that stand still on it.
    session.setTimeout(SESSION_IDLE_MAX_MS, () => session.destroy())
    session.on('close', () => sessions.delete(session))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve())
  }).catch((fault: unknown) =>
    refuseListening(fault, { host, port, setting: 'HOLDFAST_GRPC_PORT' }),
  )
  const address = server.address()
  const bound = typeof address === 'object' && address ? address.port : port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    close: () => closeAll(server, sessions),
  }
}

const CLOSE_MAX_MS = 10_000

async function closeAll(
  server: ReturnType<typeof createServer>,
  sessions: ReadonlySet<ServerHttp2Session>,
): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  for (const session of sessions) session.close()
  const timer = setTimeout(() => {
    for (const session of sessions) session.destroy()
  }, CLOSE_MAX_MS)
  await closed
  clearTimeout(timer)
}
