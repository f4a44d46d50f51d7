// A door before a real PostgreSQL: shut, it says what one says while it starts or recovers.
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'

/** The door: `url` is that of the database behind it. */
export type Door = {
  readonly url: string
  /** Connections that were turned away so far. */
  readonly turnedAway: () => number
  readonly open: () => void
  /** From now on nothing passes on the connections that there are, in silence. New ones pass. */
  readonly swallow: () => void
  readonly close: () => Promise<void>
}

/** FATAL 57P03 as `backend_startup.c` sends it (protocol 3.0, ErrorResponse). */
const STARTING = errorResponse({
  S: 'FATAL',
  V: 'FATAL',
  C: '57P03',
  M: 'the database system is starting up',
})

/** Listens on loopback before the database of `url`, a socket or an address, and is shut at first. */
export async function openDoor(url: string): Promise<Door> {
  const behind = new URL(url.replace('@/', '@localhost/'))
  const folder = behind.searchParams.get('host')
  const port = Number(behind.searchParams.get('port') ?? behind.port)
  let isOpen = false
  let turnedAway = 0
  const open = new Set<() => void>()
  const server = createServer((client) => {
    client.on('error', () => client.destroy())
    if (!isOpen) {
      turnedAway += 1
      client.once('data', () => client.end(STARTING))
      return
    }
    const upstream =
      folder === null
        ? connect(port, behind.hostname)
        : connect({ path: `${folder}/.s.PGSQL.${port}` })
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
    client.pipe(upstream).pipe(client)
    const swallow = (): void => {
      client.unpipe()
      upstream.unpipe()
      client.resume()
      upstream.resume()
    }
    open.add(swallow)
    client.on('close', () => open.delete(swallow))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  behind.search = ''
  behind.hostname = '127.0.0.1'
  behind.port = String(portOf(server))
  return {
    url: behind.href,
    turnedAway: () => turnedAway,
    open: () => void (isOpen = true),
    swallow: () => {
      for (const swallow of open) swallow()
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function errorResponse(fields: Readonly<Record<string, string>>): Buffer {
  const text = Object.entries(fields).map(([name, value]) => `${name}${value}\0`)
  const body = Buffer.from(`${text.join('')}\0`)
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
