import { Pool, types } from 'pg'
import type { CustomTypesConfig } from 'pg'
import { invariant, orThrow, RefusedError } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { isUnavailable, sqlState } from './database-faults.ts'
import { encodeValue } from './encode-value.ts'
import { withinOrLeave } from './one-off-client.ts'
import { statementSender } from './statement-group.ts'
import type { Answer, SendStatement } from './statement-group.ts'
import type { ColumnType, ParamsOf, RowOf, Statement } from './statement.ts'

type Columns = Readonly<Record<string, ColumnType>>

/** A pool of connections of the runtime role. Only `withTransaction` and `read` use it. */
export type Database = {
  readonly pool: Pool
  /** The longest wait for an answer, in milliseconds; that of `statement-group.ts` where absent. */
  readonly answerMaxMs?: number
}

/** How long a pool waits, in milliseconds: for a connection, and for the answer to what it sent. */
export type DatabaseWaits = { readonly connectMaxMs?: number; readonly answerMaxMs?: number }

/**
 * The waits of a process that serves requests, together shorter than `REQUEST_MAX_MS` for one that finds
 * the database frozen. An answer that is given up cuts its connection: a commit among it is in doubt, so
 * the request is answered 503, and its Idempotency-Key finds what was committed.
 */
export const SERVING_WAITS = { connectMaxMs: 5_000, answerMaxMs: 8_000 } as const

/** The same pool for work that no request waits for: an answer may take `ANSWER_MAX_MS`. */
export function patientDatabase({ pool }: Database): Database {
  return { pool }
}
/** An open transaction: what every verb takes, so that state and event commit together. */
export type Transaction = { readonly send: SendStatement; readonly isTransaction: true }

const parsers: CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    oid === types.builtins.INT8 && format !== 'binary'
      ? safeInteger
      : types.getTypeParser(oid, format),
}

/**
 * What every connection of a pool runs under, as `options` of libpq. A transaction that idles, because its
 * wire or its process is gone, holds its locks, and with them a partner's lane, and holds back vacuum and the
 * feed of events: the server ends it. Ours wait for nothing but the database, except for the hand-over,
 * which says so. A statement whose client has given up is ended within 2 s, so that what nobody waits for
 * holds no locks. And every statement is meant to find its rows by a key: with pages priced as on a
 * spinning disk, the default, a shop of 1,000 stock rows was read whole for a sale of seven.
 */
export const SESSION_OPTIONS =
  '-c synchronous_commit=on -c timezone=UTC -c statement_timeout=60000 ' +
  '-c idle_in_transaction_session_timeout=15000 -c client_connection_check_interval=2000 ' +
  '-c random_page_cost=1.1'

const CONNECT_MAX_MS = 10_000

/** Opens a pool. `synchronous_commit` is forced on: an intent that may vanish is no intent. */
export function openDatabase(
  url: string,
  options: DatabaseWaits & { connectionsMax?: number } = {},
): Database {
  const pool = new Pool({
    connectionString: url,
    max: options.connectionsMax ?? 10,
    types: parsers,
    options: SESSION_OPTIONS,
    connectionTimeoutMillis: options.connectMaxMs ?? CONNECT_MAX_MS,
    keepAlive: true,
    idleTimeoutMillis: 60_000,
  })
  // An idle connection that breaks (restart, failover) must not end the process; the next use says so.
  pool.on('error', () => undefined)
  // Nor may one that breaks between two statements of a transaction: the next statement fails.
  pool.on('connect', (client) => client.on('error', () => undefined))
  return options.answerMaxMs === undefined ? { pool } : { pool, answerMaxMs: options.answerMaxMs }
}

/** Closes every connection; open transactions are rolled back by the server. Left after 2 s if it is frozen. */
export async function closeDatabase(database: Database): Promise<void> {
  await withinOrLeave(database.pool.end())
}

const RETRIED = new Set(['40001', '40P01'])
const ATTEMPTS_MAX = 8
let retries = 0

/** How many transactions this process ran again after 40001 or 40P01. */
export function transactionRetries(): number {
  return retries
}

/**
 * Runs `body` in one READ COMMITTED transaction and commits. A serialization failure (40001) or
 * deadlock (40P01) runs the whole body again, at most 8 times; bodies must be safe to run twice.
 */
export async function withTransaction<T>(
  database: Database,
  body: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const written = Promise.resolve()
  return withPipelinedCommit(database, async (tx) => ({ value: await body(tx), written }))
}

/** What a body gives back before its last writes are answered; they are sent, and `written` is theirs. */
export type Closing<T> = { readonly value: T; readonly written: Promise<unknown> }

/**
 * Like `withTransaction`, with the commit sent right behind the last writes instead of after their
 * answers: where one of them fails, the server rolls back, whatever was sent behind it. The result
 * comes, as ever, only after the commit was confirmed. `onSent` is called when the commit of an attempt
 * has been sent: nothing is decided then, but the transaction asks for nothing more.
 */
export async function withPipelinedCommit<T>(
  database: Database,
  body: (tx: Transaction) => Promise<Closing<T>>,
  onSent: () => void = () => undefined,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const client = await database.pool.connect()
    const send = statementSender(client, parserOf, database.answerMaxMs)
    let isBroken = false
    try {
      const begun = send(BEGIN)
      // `begin` travels with the first statement; where it fails, that statement fails too.
      begun.catch(() => undefined)
      const { value, written } = await body({ send, isTransaction: true })
      const committed = send(COMMIT)
      // Behind the turn in which the group itself is written.
      process.nextTick(onSent)
      const [{ tag }] = await Promise.all([committed, begun, written])
      // A failed transaction answers COMMIT with ROLLBACK; the statement that failed it has thrown.
      invariant(tag === 'COMMIT', 'a transaction commits, or one of its statements fails')
      return value
    } catch (fault) {
      isBroken = !(await rollback(send))
      if (!isRetriable(fault) || attempt >= ATTEMPTS_MAX) throw fault
      retries += 1
    } finally {
      client.release(isBroken)
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 10 * attempt))
  }
}

/**
 * Like `withTransaction`, for a body that may refuse: a refusal rolls everything back and is
 * returned, so that a verb can refuse half-way without leaving a half.
 */
export async function transact<T>(
  database: Database,
  body: (tx: Transaction) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  try {
    const value = await withTransaction(database, async (tx) => orThrow(await body(tx)))
    return { ok: true, value }
  } catch (fault) {
    if (fault instanceof RefusedError) return { ok: false, refusal: fault.refusal }
    throw fault
  }
}

/** Runs one statement outside a transaction: for reads, and for statements that are complete alone. */
export async function read<P extends Columns, R extends Columns>(
  database: Database,
  declared: Statement<P, R>,
  params: ParamsOf<P>,
): Promise<readonly RowOf<R>[]> {
  const client = await database.pool.connect()
  const send = statementSender(client, parserOf, database.answerMaxMs)
  let isBroken = false
  try {
    return rowsOf(declared, await send(toReady(declared, params)))
  } catch (fault) {
    isBroken = isUnavailable(fault)
    throw fault
  } finally {
    client.release(isBroken)
  }
}

/** All rows of a statement. */
export async function many<P extends Columns, R extends Columns>(
  tx: Transaction,
  declared: Statement<P, R>,
  params: ParamsOf<P>,
): Promise<readonly RowOf<R>[]> {
  return rowsOf(declared, await tx.send(toReady(declared, params)))
}

/** The only row, or undefined. More than one is a broken invariant. */
export async function maybe<P extends Columns, R extends Columns>(
  tx: Transaction,
  declared: Statement<P, R>,
  params: ParamsOf<P>,
): Promise<RowOf<R> | undefined> {
  const rows = await many(tx, declared, params)
  invariant(rows.length <= 1, `${declared.name} returns at most one row`)
  return rows[0]
}

/** How many rows a statement touched: the answer of every guarded write. */
export async function change<P extends Columns, R extends Columns>(
  tx: Transaction,
  declared: Statement<P, R>,
  params: ParamsOf<P>,
): Promise<number> {
  const { tag } = await tx.send(toReady(declared, params))
  return Number(/\d+$/.exec(tag)?.[0] ?? 0)
}

const BEGIN = { name: 'begin', text: 'begin', values: [] }
const COMMIT = { name: 'commit', text: 'commit', values: [] }
const ROLLBACK = { name: 'rollback', text: 'rollback', values: [] }

function toReady<P extends Columns, R extends Columns>(
  { name, text, params: columns }: Statement<P, R>,
  params: ParamsOf<P>,
) {
  return {
    name,
    text,
    values: Object.keys(columns).map((column) => encodeValue(params[column] ?? null)),
  }
}

function rowsOf<P extends Columns, R extends Columns>(
  _declared: Statement<P, R>,
  { rows }: Answer,
): readonly RowOf<R>[] {
  // A test prepares every declared statement and holds its columns to the declared types.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return rows as readonly RowOf<R>[]
}

// The types of pg know OIDs as an enumeration; the server sends numbers.
// oxlint-disable-next-line typescript/no-unsafe-enum-assignment
const parserOf = (oid: number): ((text: string) => unknown) => parsers.getTypeParser(oid, 'text')

async function rollback(send: SendStatement): Promise<boolean> {
  try {
    await send(ROLLBACK)
    return true
  } catch {
    return false
  }
}

function isRetriable(fault: unknown): boolean {
  return RETRIED.has(sqlState(fault) ?? '')
}

function safeInteger(text: string): number {
  const value = Number(text)
  invariant(Number.isSafeInteger(value), `${text} is a safe integer`)
  return value
}
