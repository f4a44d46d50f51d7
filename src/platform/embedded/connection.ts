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

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        address && typeof address === 'object'
          ? resolve(address.port)
          : reject(new Error('a listening server has an address')),
      )
    })
  })
}
