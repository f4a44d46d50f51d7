import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'

/** Where a cluster answers: `host` is the folder of a Unix socket, or a loopback address. */
export const connection = z.object({ host: z.string().min(1), port: z.int().positive() })
export type Connection = z.infer<typeof connection>

/** sun_path holds 104 bytes on macOS and 108 on Linux, with its closing zero. */
const SOCKET_PATH_BYTES_MAX = 100
const SOCKET_PORT = 5432

/** A Unix socket in the folder where its path fits, otherwise loopback TCP on a free port. */
export async function chooseConnection(folder: string, forceTcp: boolean): Promise<Connection> {
  const socket = join(folder, `.s.PGSQL.${SOCKET_PORT}`)
  const fits = Buffer.byteLength(socket) <= SOCKET_PATH_BYTES_MAX
  if (fits && !forceTcp && process.platform !== 'win32') return { host: folder, port: SOCKET_PORT }
  return { host: '127.0.0.1', port: await freePort() }
}

/** True where the connection is a Unix socket. */
export function isSocket(where: Connection): boolean {
  return where.host.startsWith('/')
}

/** A connection URL that both npm `pg` and libpq understand. */
export function connectionUrl(
  where: Connection,
  login: { role: string; password: string; database: string },
): string {
  const account = `${login.role}:${encodeURIComponent(login.password)}`
  return isSocket(where)
    ? `postgres://${account}@/${login.database}?host=${encodeURIComponent(where.host)}&port=${where.port}`
    : `postgres://${account}@${where.host}:${where.port}/${login.database}?sslmode=disable`
}

const PORT_TRIES = 20

// Below the ports that a system gives to outgoing connections (from 32768 on Linux, RFC 6335's dynamic
// ports elsewhere): one of those could take the port while the server is down for a moment.
async function freePort(): Promise<number> {
  for (let tried = 0; tried < PORT_TRIES; tried += 1) {
    const port = await bound(randomInt(16_384, 32_768))
    if (port !== undefined) return port
  }
  const any = await bound(0)
  if (any === undefined) throw new Error('no loopback port is free')
  return any
}

/** The port where a server could listen, or undefined where it is taken. */
function bound(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(address && typeof address === 'object' ? address.port : undefined))
    })
  })
}
