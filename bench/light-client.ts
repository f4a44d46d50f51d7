import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** A request of the load generator. */
export type LightRequest = {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Keep-alive connections that ask and read to the end; a request waits where all are busy. */
export type LightClients = {
  /** Resolves with the status once the whole answer is here; rejects where the connection breaks. */
  readonly request: (wanted: LightRequest) => Promise<number>
  readonly close: () => void
}

type Waiting = {
  readonly text: string
  readonly resolve: (status: number) => void
  readonly reject: (fault: Error) => void
}

/**
 * HTTP/1.1 with `content-length` answers and nothing else: a general client costs more CPU than the
 * answers it would measure, and then the load generator is what is measured.
 */
export function lightClients(url: string, count: number): LightClients {
  const { hostname, port, host } = new URL(url)
  const waiting: Waiting[] = []
  const idle: Connection[] = []
  const next = (connection: Connection): void => {
    const one = waiting.shift()
    if (one) connection.send(one)
    else idle.push(connection)
  }
  const open = (): Connection => openConnection({ host: hostname, port: Number(port) }, next)
  const all = Array.from({ length: count }, open)
  idle.push(...all)
  return {
    request: (wanted) =>
      new Promise((resolve, reject) => {
        const one = { text: toText(wanted, host), resolve, reject }
        const connection = idle.pop()
        if (connection) connection.send(one)
        else waiting.push(one)
      }),
    close: () => {
      for (const connection of all) connection.close()
    },
  }
}

type Connection = { readonly send: (one: Waiting) => void; readonly close: () => void }

function openConnection(
  at: { host: string; port: number },
  free: (connection: Connection) => void,
): Connection {
  let socket: Socket | undefined
  let current: Waiting | undefined
  let received = ''

  const settle = (act: (one: Waiting) => void): void => {
    const one = current
    current = undefined
    received = ''
    if (one) act(one)
    free(connection)
  }
  const dial = (): Socket => {
    const made = connect({ ...at, noDelay: true })
    made.setEncoding('latin1')
    made.on('data', (text: string) => {
      received += text
      const status = statusOfWhole(received)
      if (status !== undefined) settle(({ resolve }) => resolve(status))
    })
    made.on('error', () => undefined)
    made.on('close', () => {
      if (socket === made) socket = undefined
      if (current) settle(({ reject }) => reject(new Error('the connection broke')))
    })
    return made
  }
  const connection: Connection = {
    send: (one) => {
      current = one
      socket ??= dial()
      socket.write(one.text)
    },
    close: () => socket?.destroy(),
  }
  return connection
}

// The status, once all bytes of the answer are here. Latin-1 keeps one character a byte.
function statusOfWhole(text: string): number | undefined {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const head = text.slice(0, headEnd)
  const status = Number(head.slice(9, 12))
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
  return text.length >= headEnd + 4 + length ? status : undefined
}

function toText({ method, path, headers = {}, body = '' }: LightRequest, host: string): string {
  const given = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = method === 'POST' ? `content-length: ${Buffer.byteLength(body)}\r\n` : ''
  return `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${given.join('')}${length}\r\n${body}`
}
