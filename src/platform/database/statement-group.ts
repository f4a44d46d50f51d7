import type { ClientBase, Connection, FieldDef, Submittable } from 'pg'
import { invariant } from '#kernel/index.ts'
import { startDeadline } from '../deadline.ts'
import type { Encoded } from './encode-value.ts'

/** A statement with its values as they go to the server. */
export type ReadyStatement = {
  readonly name: string
  readonly text: string
  readonly values: readonly Encoded[]
}

/** What the server says to one statement; `tag` is the command tag (`INSERT 0 5`). */
export type Answer = { readonly rows: readonly Record<string, unknown>[]; readonly tag: string }

/** Sends a statement; the answer comes when its whole group is done, a fault for all of it. */
export type SendStatement = (statement: ReadyStatement) => Promise<Answer>

/** Text of a column to its JavaScript value, by the OID of its type. */
export type ParserOf = (oid: number) => (text: string) => unknown

type Column = { readonly name: string; readonly parse: (text: string) => unknown }
type Pending = ReadyStatement & {
  readonly resolve: (answer: Answer) => void
  readonly reject: (fault: unknown) => void
}
// Columns of the statements that a connection has prepared; undefined where it is not known whether.
type Prepared = Map<string, readonly Column[] | undefined>

/**
 * The longest wait for the answer to a group, in milliseconds, where no request waits for it: longer than
 * the server lets a statement run. A frozen server or a wire that swallows everything never gives a fault.
 */
export const ANSWER_MAX_MS = 90_000

const preparedOn = new WeakMap<ClientBase, Prepared>()

/**
 * Sends the statements of one connection. Those that come in one turn of the loop travel together:
 * one write, one Sync, one answer, because each of these wakes a process, which costs more than a
 * small statement itself. After a fault the server skips what stands behind it in the group. Without an
 * answer within `answerMaxMs` the connection is cut (08006); what it was doing is in doubt.
 */
export function statementSender(
  client: ClientBase,
  parserOf: ParserOf,
  answerMaxMs: number = ANSWER_MAX_MS,
): SendStatement {
  const prepared: Prepared = preparedOn.get(client) ?? new Map()
  preparedOn.set(client, prepared)
  let waiting: Pending[] = []
  let isBusy = false

  const flush = (): void => {
    const statements = waiting
    waiting = []
    const done = (): void => {
      isBusy = false
      if (waiting.length > 0) flushSoon()
    }
    client.query(statementGroup(statements, { prepared, parserOf, answerMaxMs, done }))
  }
  const flushSoon = (): void => {
    if (isBusy) return
    isBusy = true
    // After the promises of this turn, so that what they lead to goes along.
    process.nextTick(flush)
  }
  return (statement) =>
    withOwnStack(
      new Promise<Answer>((resolve, reject) => {
        waiting.push({ ...statement, resolve, reject })
        flushSoon()
      }),
    )
}

// A fault that comes from the socket has no frame of ours; here it gets those that wait for it.
async function withOwnStack<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (fault) {
    if (fault instanceof Error) Error.captureStackTrace(fault)
    throw fault
  }
}

type Group = Submittable & {
  readonly statements: readonly ReadyStatement[]
  readonly handleRowDescription: (message: { readonly fields: readonly FieldDef[] }) => void
  readonly handleDataRow: (message: { readonly fields: readonly (string | null)[] }) => void
  readonly handleCommandComplete: (message: { readonly text: string }) => void
  readonly handleReadyForQuery: () => void
  readonly handleError: (fault: unknown) => void
}

// What `pg` calls a custom query: it hands over the messages of the server until ReadyForQuery.
function statementGroup(
  statements: readonly Pending[],
  context: { prepared: Prepared; parserOf: ParserOf; answerMaxMs: number; done: () => void },
): Group {
  const { prepared, parserOf, answerMaxMs } = context
  let endDeadline = (): void => undefined
  const done = (): void => {
    endDeadline()
    context.done()
  }
  const answers: Answer[] = []
  let rows: Record<string, unknown>[] = []
  let columns: readonly Column[] | undefined
  const current = (): Pending => {
    const statement = statements[answers.length]
    invariant(statement, 'the server answers only what was asked')
    return statement
  }
  return {
    statements,
    submit: (connection) => {
      endDeadline = startDeadline(answerMaxMs, () => connection.stream.destroy(noAnswer()))
      connection.stream.cork()
      for (const statement of statements) write(connection, prepared, statement)
      connection.sync()
      connection.stream.uncork()
    },
    handleRowDescription: ({ fields }) => {
      columns = fields.map(({ name, dataTypeID }) => ({ name, parse: parserOf(dataTypeID) }))
    },
    handleDataRow: ({ fields }) => {
      columns ??= prepared.get(current().name) ?? []
      rows.push(toRow(columns, fields))
    },
    handleCommandComplete: ({ text }) => {
      const { name } = current()
      if (!prepared.get(name)) prepared.set(name, columns ?? [])
      answers.push({ rows, tag: text })
      rows = []
      columns = undefined
    },
    handleReadyForQuery: () => {
      done()
      for (const [index, { resolve, reject }] of statements.entries()) {
        const answer = answers[index]
        if (answer) resolve(answer)
        else reject(new Error('the server did not answer a statement'))
      }
    },
    handleError: (fault) => {
      done()
      for (const { reject } of statements) reject(fault)
    },
  }
}

const noAnswer = (): Error =>
  Object.assign(new Error('the database did not answer in time'), { code: '08006' })

function write(connection: Connection, prepared: Prepared, statement: ReadyStatement): void {
  const { name, text, values } = statement
  const isKnown = prepared.get(name) !== undefined
  if (!isKnown) {
    // Sent before, and failed or skipped: closing what does not exist is no fault.
    if (prepared.has(name)) connection.close({ type: 'S', name }, true)
    connection.parse({ name, text, types: [] }, true)
    prepared.set(name, undefined)
  }
  connection.bind({ statement: name, values: [...values] }, true)
  if (!isKnown) connection.describe({ type: 'P' }, true)
  connection.execute({}, true)
}

function toRow(
  columns: readonly Column[],
  fields: readonly (string | null)[],
): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  for (const [index, { name, parse }] of columns.entries()) {
    const text = fields[index] ?? null
    row[name] = text === null ? null : parse(text)
  }
  return row
}
