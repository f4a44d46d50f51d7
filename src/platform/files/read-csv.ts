import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { parseCsvRecord } from './parse-csv-record.ts'
import { LINE_BYTES_MAX, readLines } from './read-lines.ts'
import type { TextLine } from './read-lines.ts'

/** A record by header name; `line` is where it begins. A column that the file lacks is absent. */
export type CsvRow = {
  readonly line: number
  readonly fields: Readonly<Record<string, string | undefined>>
}

/**
 * The records of a CSV file (RFC 4180, comma, header in line 1), plain or gzip, in bounded memory.
 * A file without a required column is refused once, naming it (`file_unreadable`); a bad record is
 * refused with its line (`row_invalid`) and the next one follows.
 */
export async function* readCsv(
  path: string,
  required: readonly string[],
): AsyncGenerator<Outcome<CsvRow>> {
  let header: readonly string[] | undefined
  let isReadable = true
  for await (const record of readRecords(path)) {
    if (!record.ok) {
      isReadable = false
      yield record
      continue
    }
    const { line, text } = record.value
    const values = parseCsvRecord(text)
    if (header) {
      yield toRow(line, header, values)
      continue
    }
    const found = checkHeader(path, values, required)
    if (found.ok) {
      header = found.value
      continue
    }
    yield found
    return
  }
  if (!header && isReadable) yield refuse('file_unreadable', `${path} is empty: it needs a header.`)
}

function toRow(
  line: number,
  header: readonly string[],
  values: readonly string[] | undefined,
): Outcome<CsvRow> {
  if (!values) return refuse('row_invalid', 'A quote stands where RFC 4180 has none.', { line })
  if (values.length !== header.length) {
    return refuse('row_invalid', `${values.length} fields, but ${header.length} columns.`, { line })
  }
  const fields = Object.fromEntries(values.map((value, index) => [header[index] ?? '', value]))
  return accept({ line, fields })
}

// A record goes on in the next line while a quoted field is open: its quotes so far are odd. Where a
// line of it cannot be read, nobody knows where it ends, and reading stops.
async function* readRecords(path: string): AsyncGenerator<Outcome<TextLine>> {
  let open: { readonly line: number; readonly texts: string[] } | undefined
  let length = 0
  for await (const read of readLines(path)) {
    if (!read.ok) {
      yield read
      if (open) break
      continue
    }
    const { line, text } = read.value
    const isTurning = text.split('"').length % 2 === 0
    if (!open && !isTurning) {
      if (text !== '') yield read
      continue
    }
    open ??= { line, texts: [] }
    open.texts.push(text)
    length += text.length + 1
    if (length > LINE_BYTES_MAX) break
    if (!isTurning || open.texts.length === 1) continue
    yield accept({ line: open.line, text: open.texts.join('\n') })
    open = undefined
    length = 0
  }
  if (open) {
    yield refuse('row_invalid', 'A quoted field that begins here does not end.', {
      line: open.line,
    })
  }
}

function checkHeader(
  path: string,
  names: readonly string[] | undefined,
  required: readonly string[],
): Outcome<readonly string[]> {
  if (!names) return refuse('file_unreadable', `The header of ${path} is not CSV.`, { line: 1 })
  const header = names.map((name) => name.trim())
  const missing = required.filter((name) => !header.includes(name))
  if (missing.length > 0) {
    return refuse('file_unreadable', `${path} lacks the column ${missing.join(', ')}.`, { line: 1 })
  }
  const twice = header.filter((name, index) => name !== '' && header.indexOf(name) !== index)
  if (twice.length > 0) {
    return refuse('file_unreadable', `${path} has the column ${twice.join(', ')} twice.`, {
      line: 1,
    })
  }
  return accept(header)
}
