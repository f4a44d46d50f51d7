import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import type { Random } from '#kernel/index.ts'

/** What a connection may meet, each time that a random number of bytes has passed. */
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
  /** Bytes of both directions between two faults, on average; a connection may meet several. */
  readonly bytesPerFault: number
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
    let bytesLeft = untilFault(random, options.bytesPerFault)
    let isHole = false
    const passing: Passing = {
      isHole: () => isHole,
      draw(bytes) {
        if (isHealed) return undefined
        bytesLeft -= bytes
        if (bytesLeft > 0) return undefined
        const before = Math.max(0, bytesLeft + bytes)
        bytesLeft = untilFault(random, options.bytesPerFault)
        const fault = pick(random)
        struck[fault] += 1
        isHole ||= fault === 'black_hole'
        return { fault, before, delayMs: random() * DELAY_MAX_MS }
      },
    }
    pass(client, partner, passing)
    pass(partner, client, passing)
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

const pick = (random: Random): NetworkFault =>
  NETWORK_FAULTS[Math.floor(random() * NETWORK_FAULTS.length)] ?? 'reset'

// Exponential: whatever a connection has lived through, its next fault is as far away as ever.
const untilFault = (random: Random, mean: number): number => -Math.log(1 - random()) * mean

type Passing = {
  /** True after a black hole: nothing passes any more, and nobody is told. */
  readonly isHole: () => boolean
  /** What strikes this chunk, and how many of its bytes pass before. */
  readonly draw: (bytes: number) =>
    | {
        readonly fault: NetworkFault
        readonly before: number
        readonly delayMs: number
      }
    | undefined
}

function pass(from: Socket, to: Socket, passing: Passing): void {
  from.on('end', () => to.end())
  from.on('close', () => to.destroy())
  from.on('data', (chunk: Buffer) => {
    if (passing.isHole()) return
    const struck = passing.draw(chunk.length)
    if (!struck) return send(from, to, chunk)
    // The bytes before the fault arrive, as they would on a wire.
    const before = chunk.subarray(0, struck.before)
    switch (struck.fault) {
      case 'delay':
        from.pause()
        setTimeout(() => {
          send(from, to, chunk)
          from.resume()
        }, struck.delayMs)
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
