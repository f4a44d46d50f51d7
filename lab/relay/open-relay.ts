import { ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { startGrpcServer } from '#platform/grpc/index.ts'
import type { Shutdown } from '#platform/index.ts'
import { HandoffService, MESSAGE_BYTES_MAX } from '#wire/index.ts'
import type { HandOverRequest } from '#wire/index.ts'
import { loseLateFields, ordersOf } from './lose-late-fields.ts'

/** A hop between the two ends of the hand-over, over real HTTP/2 on both sides. */
export type Relay = {
  readonly url: string
  /** Hand-overs, and orders in them, that lost their late fields here. */
  readonly damaged: () => { readonly handOvers: number; readonly orders: number }
  /** From now on everything passes as it came. */
  readonly heal: () => void
}

/**
 * Opens a relay to `upstream`. Hand-overs of more than `ordersMax` orders are written anew without
 * field 47 and what follows; smaller ones, and every other call, pass as they came.
 */
export async function openRelay(
  upstream: string,
  ordersMax: number,
  shutdown: Shutdown,
): Promise<Relay> {
  const transport = createGrpcTransport({
    baseUrl: upstream,
    readMaxBytes: MESSAGE_BYTES_MAX,
    writeMaxBytes: MESSAGE_BYTES_MAX,
  })
  const client = createClient(HandoffService, transport)
  const damaged = { handOvers: 0, orders: 0 }
  let isHealed = false
  const pass = (sent: readonly HandOverRequest[]): readonly HandOverRequest[] => {
    const orders = ordersOf(sent)
    if (isHealed || orders <= ordersMax) return sent
    damaged.handOvers += 1
    damaged.orders += orders
    return loseLateFields(sent)
  }
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    messageBytesMax: MESSAGE_BYTES_MAX,
    services: [
      (router) =>
        void router.service(HandoffService, {
          getLimits: (request, call) => client.getLimits(request, headersOf(call)),
          withdraw: (request, call) => client.withdraw(request, headersOf(call)),
          async *handOver(requests, call) {
            const sent: HandOverRequest[] = []
            for await (const request of requests) sent.push(request)
            try {
              yield* client.handOver(streamOf(pass(sent)), headersOf(call))
            } catch (fault) {
              throw withItsCode(fault)
            }
          },
        }),
    ],
  })
  shutdown.onShutdown('relay', () => server.close())
  return { url: server.url, damaged: () => ({ ...damaged }), heal: () => void (isHealed = true) }
}

function headersOf(call: { readonly requestHeader: Headers }): { headers: Record<string, string> } {
  const authorization = call.requestHeader.get('authorization')
  return { headers: authorization === null ? {} : { authorization } }
}

// A refusal keeps its code; the rest of its trailers belongs to the other connection.
function withItsCode(fault: unknown): ConnectError {
  const { rawMessage, code, metadata } = ConnectError.from(fault)
  const own = metadata.get('holdfast-code')
  return new ConnectError(rawMessage, code, own === null ? {} : { 'holdfast-code': own })
}

async function* streamOf<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items
}
