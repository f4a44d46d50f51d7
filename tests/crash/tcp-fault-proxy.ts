import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import type { Random } from '#kernel/index.ts'

/** What a connection may meet. A faulty one behaves until a random number of bytes has passed. */
export const NETWORK_FAULTS = ['delay', 'cut', 'reset', 'half_close', 'black_hole'] as const
/** One of `NETWORK_FAULTS`. */
export type NetworkFault = (typeof NETWORK_FAULTS)[number]

/** A proxy of our own between a client and a server that knows nothing of it. */
export type TcpFaultProxy = {
  readonly port: number
  /** How often each fault struck so far. */
  readonly struck: Readonly<Record<NetworkFault, number>>
  /** From now on every connection is honest; those that are broken are closed. */
  readonly heal: () => void
  readonly close: () => Promise<void>
}

const DELAY_MAX_MS = 4_000

/** Listens on loopback and passes bytes to `upstream`, some connections with a fault. */
export async function openTcpFaultProxy(options: {
  readonly upstream: { readonly host: string; readonly port: number }
  /** The share of connections that meet a fault, 0 to 1. */
  readonly rate: number
  /** A fault strikes after at most so many bytes of either direction. */
  readonly afterBytesMax: number
  readonly random: Random
}): Promise<TcpFaultProxy> {
  const { upstream, random } = options
  const struck = { delay: 0, cut: 0, reset: 0, half_close: 0, black_hole: 0 }
  const sockets = new Set<Socket>()
  let isHealed = false
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const partner = connect({ ...upstream, allowHalfOpen: true })
    for (const one of [client, partner]) {
      sockets.add(one)
      one.on('error', () => one.destroy())
      one.once('close', () => sockets.delete(one))
    }
    const fault = !isHealed && random() < options.rate ? pick(random) : undefined
    const budget = { bytes: Math.floor(random() * options.afterBytesMax) }
    const strike = (): void => {
      if (fault) struck[fault] += 1
    }
    pass(client, partner, { fault, budget, strike, random })
    pass(partner, client, { fault, budget, strike, random })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const cutAll = (): void => {
    for (const one of sockets) one.destroy()
  }
  return {
    port,
    struck,
    heal: () => {
      isHealed = true
      cutAll()
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        cutAll()
      }),
  }
}

const pick = (random: Random): NetworkFault | undefined =>
  NETWORK_FAULTS[Math.floor(random() * NETWORK_FAULTS.length)]

type Passing = {
  readonly fault: NetworkFault | undefined
  readonly budget: { bytes: number }
  readonly strike: () => void
  readonly random: Random
}

function pass(from: Socket, to: Socket, { fault, budget, strike, random }: Passing): void {
  let isStruck = false
  from.on('end', () => to.end())
  from.on('close', () => to.destroy())
  from.on('data', (chunk: Buffer) => {
    if (isStruck && fault === 'black_hole') return
    const isOver = fault !== undefined && !isStruck && budget.bytes < chunk.length
    budget.bytes -= chunk.length
    if (!isOver) return send(from, to, chunk)
    isStruck = true
    strike()
    // The bytes before the fault arrive, as they would on a wire.
    const before = chunk.subarray(0, Math.max(0, budget.bytes + chunk.length))
    switch (fault) {
      case 'delay':
        from.pause()
        setTimeout(() => {
          send(from, to, chunk)
          from.resume()
        }, random() * DELAY_MAX_MS)
        return
      case 'cut':
        to.write(before)
        from.destroy()
        to.end()
        return
      case 'reset':
        to.write(before, () => {
          from.resetAndDestroy()
          to.resetAndDestroy()
        })
        return
      case 'half_close':
        to.end(before)
        return
      case 'black_hole':
        to.write(before)
        return
    }
  })
}

function send(from: Socket, to: Socket, chunk: Buffer): void {
  if (to.destroyed || to.writableEnded) return
  if (to.write(chunk)) return
  from.pause()
  to.once('drain', () => from.resume())
}
