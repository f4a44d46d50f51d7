import type { FileHandle } from 'node:fs/promises'
import type { Span } from './ledger-state.ts'

const CHUNK_BYTES = 1_048_576
const NEWLINE = 10

/** Whole lines of the first `end` bytes, without their newline; an unfinished last line is left out. */
export async function* readLines(
  file: FileHandle,
  end: number,
): AsyncGenerator<{ readonly bytes: Buffer; readonly span: Span }> {
  let rest = Buffer.alloc(0)
  let position = 0
  while (position < end) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - position))
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position)
    if (bytesRead === 0) return
    const start = position - rest.length
    position += bytesRead
    const held = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
    let from = 0
    for (let at = held.indexOf(NEWLINE); at !== -1; at = held.indexOf(NEWLINE, from)) {
      yield { bytes: held.subarray(from, at), span: { offset: start + from, length: at - from } }
      from = at + 1
    }
    rest = held.subarray(from)
  }
}
