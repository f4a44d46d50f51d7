import type { z } from 'zod'
import { accept, refuse, sha256Hex } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { readLines, rowRefusal } from '#platform/files/index.ts'
import { parseStrictJson } from '#platform/webhooks/index.ts'

/** A row of a file and the line that it stands on. */
export type FileRow<T> = { readonly line: number; readonly row: T }

/**
 * The rows of an NDJSON file, plain or gzip, one a line; empty lines are passed over. A bad line is
 * refused with its number and field (`row_invalid`) and the next one follows. An id that comes again
 * with the same text is passed over, with another it names both lines.
 */
export async function* readNdjson<T>(
  path: string,
  schema: z.ZodType<T>,
  idOf: (row: T) => string,
): AsyncGenerator<Outcome<FileRow<T>>> {
  const seen = new Map<string, { readonly line: number; readonly digest: string }>()
  for await (const read of readLines(path)) {
    if (!read.ok) {
      yield read
      continue
    }
    const { line, text } = read.value
    if (text.trim() === '') continue
    const row = toRow(line, text, schema)
    if (!row.ok) {
      yield row
      continue
    }
    const id = idOf(row.value)
    const digest = sha256Hex(JSON.stringify(row.value))
    const first = seen.get(id)
    if (first?.digest === digest) continue
    if (first) {
      const detail = `${id} stands in line ${first.line} with other content than in line ${line}.`
      yield refuse('row_invalid', detail, { line })
      continue
    }
    seen.set(id, { line, digest })
    yield accept({ line, row: row.value })
  }
}

function toRow<T>(line: number, text: string, schema: z.ZodType<T>): Outcome<T> {
  const json = parseStrictJson(Buffer.from(text))
  if (!json.ok) {
    return refuse('row_invalid', json.refusal.detail.replace('The body', 'The line'), { line })
  }
  const parsed = schema.safeParse(json.value)
  return parsed.success ? accept(parsed.data) : rowRefusal(line, parsed.error)
}
