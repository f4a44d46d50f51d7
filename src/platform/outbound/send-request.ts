import { Agent, buildConnector } from 'undici'
import type { Dispatcher } from 'undici'
import { AddressRefusedError, guardedLookup, isRefusedLiteral } from './address-policy.ts'
import type { Resolve } from './address-policy.ts'
import { networksOf, urlFault } from './address-rule.ts'

/**
 * One HTTP exchange. `allowPrivate` names the networks (CIDR) that the endpoint may be in beside the
 * public internet; `true` is every private one. None of them is link-local.
 */
export type OutboundRequest = {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly allowPrivate: boolean | readonly string[]
}

/**
 * What came of it. `no_byte_written`: name, connect or TLS failed, so the other side saw nothing.
 * `after_byte_written`: anything else without a whole head and body; its effect is unknown.
 */
export type OutboundResult =
  | {
      readonly kind: 'reply'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: Buffer
      readonly isTruncated: boolean
    }
  | { readonly kind: 'no_byte_written'; readonly code: string }
  | { readonly kind: 'after_byte_written'; readonly code: string }

/** Limits of an exchange; milliseconds and bytes. */
export type OutboundLimits = {
  readonly connectTimeoutMs: number
  readonly headersTimeoutMs: number
  readonly totalTimeoutMs: number
  readonly responseBytesMax: number
}

/** The limits of HDP/1 §1.3 and §1.11. */
export const OUTBOUND_LIMITS: OutboundLimits = {
  connectTimeoutMs: 3_000,
  headersTimeoutMs: 15_000,
  totalTimeoutMs: 20_000,
  responseBytesMax: 64 * 1024,
}

/** A client without retries, redirects, proxies or early data. */
export type Outbound = {
  readonly send: (request: OutboundRequest) => Promise<OutboundResult>
  readonly totalTimeoutMs: number
  readonly close: () => Promise<void>
}

/** How many allow-lists have a connection pool of their own at a time. */
const AGENTS_MAX = 64

/** Opens an outbound client; close it when the role stops. `resolve` finds addresses (DNS). */
export function openOutbound(limits: Partial<OutboundLimits> = {}, resolve?: Resolve): Outbound {
  const all = { ...OUTBOUND_LIMITS, ...limits }
  const agents = new Map<string, Agent>()
  // A connection that was made under one allow-list is never used under another.
  const agentFor = (networks: readonly string[]): Agent => {
    const name = networks.join(' ')
    const agent = agents.get(name) ?? agentOf(all, networks, resolve)
    agents.delete(name)
    agents.set(name, agent)
    const [oldest] = agents
    if (oldest && agents.size > AGENTS_MAX) {
      agents.delete(oldest[0])
      void oldest[1].close()
    }
    return agent
  }
  return {
    totalTimeoutMs: all.totalTimeoutMs,
    send: (request) => {
      const networks = networksOf(request.allowPrivate)
      const url = URL.canParse(request.url) ? new URL(request.url) : undefined
      if (!url || urlFault(url, networks) !== undefined) {
        return Promise.resolve({ kind: 'no_byte_written', code: 'address_refused' })
      }
      return exchange(agentFor(networks), url, request, all)
    },
    close: async () => {
      await Promise.all([...agents.values()].map((agent) => agent.close()))
    },
  }
}

/** Wraps whatever the connector threw: at that point no byte of the request exists on the wire. */
class ConnectFault extends Error {
  readonly code: string
  constructor(cause: Error) {
    super(cause.message, { cause })
    this.code = codeOf(cause)
  }
}

function agentOf(
  limits: OutboundLimits,
  networks: readonly string[],
  resolve: Resolve | undefined,
): Agent {
  const connect = buildConnector({
    timeout: limits.connectTimeoutMs,
    lookup: guardedLookup(networks, resolve),
  })
  const connector: buildConnector.connector = (options, callback) => {
    if (isRefusedLiteral(options.hostname, networks)) {
      return callback(new ConnectFault(new AddressRefusedError('private address')), null)
    }
    return connect(options, (fault, socket) => {
      if (fault) callback(new ConnectFault(fault), null)
      else if (socket) callback(null, socket)
    })
  }
  return new Agent({
    connect: connector,
    pipelining: 1,
    headersTimeout: limits.headersTimeoutMs,
    bodyTimeout: limits.totalTimeoutMs,
  })
}

async function exchange(
  agent: Agent,
  url: URL,
  request: OutboundRequest,
  limits: OutboundLimits,
): Promise<OutboundResult> {
  try {
    const response = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method,
      headers: { ...request.headers },
      body: request.body ?? null,
      signal: AbortSignal.timeout(limits.totalTimeoutMs),
    })
    return await readReply(response, limits.responseBytesMax)
  } catch (fault) {
    const code = codeOf(fault)
    return { kind: fault instanceof ConnectFault ? 'no_byte_written' : 'after_byte_written', code }
  }
}

async function readReply(
  response: Dispatcher.ResponseData,
  bytesMax: number,
): Promise<OutboundResult> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response.body) {
    const bytes: Buffer = Buffer.from(chunk)
    size += bytes.length
    chunks.push(bytes)
    if (size > bytesMax) break
  }
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  const body = Buffer.concat(chunks).subarray(0, bytesMax)
  return { kind: 'reply', status: response.statusCode, headers, body, isTruncated: size > bytesMax }
}

/** A short, stable name of a fault, without address or stack. */
function codeOf(fault: unknown): string {
  if (!(fault instanceof Error)) return 'fault'
  if ('code' in fault && typeof fault.code === 'string') return fault.code.slice(0, 64)
  return fault.name === 'TimeoutError' ? 'total_timeout' : fault.name.slice(0, 64)
}
