import { invariant } from '#kernel/index.ts'
import type { Database } from '#platform/index.ts'

/** A statement as it went to the server. */
export type Recorded = { readonly text: string; readonly values: readonly unknown[] }

/** Records every statement of the connections that a database opens from now on. */
export function recordTo(database: Database, recorded: Recorded[]): void {
  database.pool.on('connect', (client) => {
    const send = client.query.bind(client)
    Object.assign(client, {
      query: (...args: Parameters<typeof send>) => {
        const [wanted]: unknown[] = args
        recorded.push(...statementsOf(wanted).map(toRecorded))
        return send(...args)
      },
    })
  })
}

/** The statements as one pgbench script: parameters as literals, one statement a command. */
export function toScript(recorded: readonly Recorded[]): string {
  return recorded
    .map(({ text, values }) => {
      const literal = text.replaceAll(
        /\$(\d+)::([a-z0-9_]+(?:\[\])?)/g,
        (_, index: string, type) => {
          return `${toLiteral(values[Number(index) - 1])}::${type}`
        },
      )
      return `${literal.replaceAll(/\s*\n\s*/g, ' ').trim()};\n`
    })
    .join('')
}

// A group of statements is sent as one query.
function statementsOf(wanted: unknown): readonly unknown[] {
  const isGroup = typeof wanted === 'object' && wanted !== null && 'statements' in wanted
  return isGroup && Array.isArray(wanted.statements) ? wanted.statements : [wanted]
}

function toRecorded(wanted: unknown): Recorded {
  if (typeof wanted === 'string') return { text: wanted, values: [] }
  const isQuery = typeof wanted === 'object' && wanted !== null && 'text' in wanted
  invariant(isQuery && typeof wanted.text === 'string', 'a statement is text')
  return {
    text: wanted.text,
    values: 'values' in wanted && Array.isArray(wanted.values) ? wanted.values : [],
  }
}

// pgbench takes a colon before a name for a variable, so that a colon in a literal is written apart.
function toLiteral(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  const text = Array.isArray(value) ? toArray(value) : toText(value)
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll(':', '\\x3a')}'`
}

function toArray(values: readonly unknown[]): string {
  const parts = values.map((value) =>
    value === null || value === undefined
      ? 'NULL'
      : `"${toText(value).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`,
  )
  return `{${parts.join(',')}}`
}

function toText(value: unknown): string {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  return String(value)
}
