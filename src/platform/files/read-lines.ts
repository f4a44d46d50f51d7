import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { fileFault } from './file-fault.ts'
import { readBytes } from './read-bytes.ts'

/** One line of a text file without its end; `line` counts from 1. */
export type TextLine = { readonly line: number; readonly text: string }

/** A line is at most 2 MiB: an order of 1,000 lines with every field full is a tenth of that. */
export const LINE_BYTES_MAX = 2 * 1024 * 1024

/** How much a file may hold: lines, and among them records, which are those that are not empty. */
export type LineLimits = { readonly linesMax: number; readonly recordsMax: number }

/** References are kept while a file is read (some 150 bytes each), so that records are bounded too. */
export const FILE_LIMITS: LineLimits = { linesMax: 5_000_000, recordsMax: 2_000_000 }

const LINE_FEED = 0x0a
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The lines of a text file, plain or gzip, in bounded memory. A line that is too long or not UTF-8
 * is refused with its number (`row_invalid`) and the next one follows; a file that cannot be read to
 * its end, or holds more than `limits`, is refused at the end (`file_unreadable`). A byte order mark before
 * line 1 is dropped.
 */
export async function* readLines(
  path: string,
  limits: LineLimits = FILE_LIMITS,
): AsyncGenerator<Outcome<TextLine>> {
  let line = 0
  let records = 0
  const pending = pendingLine()
  const next = (): Outcome<TextLine> => {
    if (!pending.isEmpty()) records += 1
    return toLine((line += 1), pending.take())
  }
  try {
    for await (const chunk of readBytes(path)) {
      let start = 0
      for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
        pending.push(chunk.subarray(start, end))
        const read = next()
        if (line > limits.linesMax || records > limits.recordsMax) {
          yield tooMany(path, limits, line)
          return
        }
        yield read
        start = end + 1
      }
      pending.push(chunk.subarray(start))
    }
    if (!pending.isEmpty()) yield next()
  } catch (fault) {
    const refused = fileFault(path, fault)
    if (!refused) throw fault
    yield refused
  }
}

function tooMany(
  path: string,
  { linesMax, recordsMax }: LineLimits,
  line: number,
): ReturnType<typeof refuse<'file_unreadable'>> {
  const most = `${recordsMax} records and ${linesMax} lines`
  return refuse('file_unreadable', `${path} holds more than ${most}: split it.`, { line })
}

function pendingLine() {
  let parts: Buffer[] = []
  let bytes = 0
  return {
    push: (part: Buffer): void => {
      bytes += part.length
      if (bytes <= LINE_BYTES_MAX) parts.push(part)
      else parts = []
    },
    /** The whole line, or undefined where it was longer than a line may be. */
    take: (): Buffer | undefined => {
      const whole = bytes <= LINE_BYTES_MAX ? Buffer.concat(parts, bytes) : undefined
      parts = []
      bytes = 0
      return whole
    },
    isEmpty: (): boolean => bytes === 0,
  }
}

function toLine(line: number, bytes: Buffer | undefined): Outcome<TextLine> {
  if (!bytes) {
    return refuse('row_invalid', `The line is longer than ${LINE_BYTES_MAX} bytes.`, { line })
  }
  try {
    // PostgreSQL has no U+0000 in text: one in a title would fault the whole import.
    if (bytes.includes(0)) return refuse('row_invalid', 'The line has a NUL byte.', { line })
    const text = decoder.decode(bytes)
    const marked = line === 1 && text.startsWith('\uFEFF') ? text.slice(1) : text
    return accept({ line, text: marked.endsWith('\r') ? marked.slice(0, -1) : marked })
  } catch {
    return refuse('row_invalid', 'The line is not UTF-8.', { line })
  }
}
