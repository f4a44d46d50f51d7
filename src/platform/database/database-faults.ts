import { refuse } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'

/** The SQLSTATE of a database fault, or undefined. */
export function sqlState(fault: unknown): string | undefined {
  if (!(fault instanceof Error) || !('code' in fault)) return undefined
  return typeof fault.code === 'string' ? fault.code : undefined
}

// What `pg` says, without a code, of a connection that is gone or was not to be had.
const CONNECTION_LOST =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|timeout expired|Query read timeout)/

// Classes 08 and 53, an administrator's end of the session, an idle transaction, a disk that fails.
const SERVER_AWAY = /^(08|57P0|53|58030|25P03)/
const NOT_REACHED = /^E(CONNREFUSED|CONNRESET|PIPE|NOENT|TIMEDOUT|HOSTUNREACH|NETUNREACH|AGAIN)$/

/** True where the fault says that the database cannot be reached, is shutting down or has hung up. */
export function isUnavailable(fault: unknown): boolean {
  const code = sqlState(fault)
  if (code === undefined) return fault instanceof Error && CONNECTION_LOST.test(fault.message)
  return SERVER_AWAY.test(code) || NOT_REACHED.test(code)
}

/**
 * True where a transaction failed because what it expected of the database was not so
 * (`platform.hold_or_fail`): nothing was written, and it may be tried again with what is asked for.
 */
export function isExpectationFailed(fault: unknown): boolean {
  return sqlState(fault) === 'ZF001'
}

type Unavailable = { readonly ok: false; readonly refusal: Refusal<'database_unavailable'> }

/**
 * The refusal of a database that does not answer. With `url`, for the person who configured it, it names host
 * and port, never user or password; without, for whoever asks from outside, no address at all.
 */
export function databaseUnavailable(url?: string): Unavailable {
  if (url === undefined) return refuse('database_unavailable', 'The database does not answer.')
  return refuse('database_unavailable', `The database at ${databaseAddress(url)} does not answer.`)
}

/** The refusal of a login that the server turned away, or undefined where the fault is another one. */
export function loginRefused(url: string, fault: unknown): Unavailable | undefined {
  const code = sqlState(fault)
  const at = databaseAddress(url)
  if (code === '3D000') return refuse('database_unavailable', `${at} has no such database.`)
  const isTurnedAway =
    code === undefined
      ? fault instanceof Error && fault.message.startsWith('SASL')
      : code.startsWith('28')
  if (!isTurnedAway) return undefined
  return refuse(
    'database_unavailable',
    `${at} refuses the login: check user and password of the address.`,
  )
}

/** Host and port of a connection URL, or the folder of its socket. */
export function databaseAddress(url: string): string {
  // A socket address has no host, which `URL` does not take.
  const parsed = URL.parse(url.replace(/@\/|:\/\/\//, (gap) => `${gap.slice(0, -1)}localhost/`))
  if (!parsed) return 'the configured address'
  const folder = parsed.searchParams.get('host')
  if (folder !== null) return folder
  return `${parsed.hostname}:${parsed.port || '5432'}`
}
