import { createReadStream, createWriteStream, fstatSync } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { RefusedError } from '#kernel/index.ts'
import { fileFault } from './file-fault.ts'
import { tooLarge } from './read-bytes.ts'

/** The most that a pipe may bring, in bytes as they come. */
const SPOOL_BYTES_MAX = 1024 ** 3
const STDIN = new Set(['-', '/dev/stdin', '/dev/fd/0', '/proc/self/fd/0'])

/**
 * Gives `body` a path that can be read twice: once to check a file, once to apply it. A regular file is given as
 * it is. A pipe, or standard input if it is named (`-`, /dev/stdin), is first written to a file of its own,
 * at most 1 GiB. Anything else (a folder, a device, a socket) is refused: `file_unreadable`.
 */
export async function withInputFile<T>(
  path: string,
  body: (path: string) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const source = await openPipe(path)
  if (!source) return body(path)
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-input-'))
  try {
    const file = join(folder, 'input')
    await spool(source, { path, file, signal })
    return await body(file)
  } finally {
    source.destroy()
    await rm(folder, { recursive: true, force: true })
  }
}

// Undefined for whatever is opened by its path: `readBytes` refuses what is no regular file.
async function openPipe(path: string): Promise<Readable | undefined> {
  if (STDIN.has(path)) {
    const found = fstatSync(0)
    if (found.isFIFO() || found.isFile() || found.isSocket()) return process.stdin
    throw refused(path, 'ENODEV')
  }
  const found = await stat(path).catch(() => undefined)
  return found?.isFIFO() === true ? createReadStream(path) : undefined
}

async function spool(
  source: Readable,
  to: { path: string; file: string; signal: AbortSignal | undefined },
): Promise<void> {
  let count = 0
  async function* bounded(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      count += chunk.length
      if (count > SPOOL_BYTES_MAX) throw tooLarge()
      yield chunk
    }
  }
  try {
    const file = createWriteStream(to.file, { mode: 0o600, flags: 'wx' })
    await pipeline(source, bounded, file, to.signal ? { signal: to.signal } : {})
  } catch (fault) {
    if (to.signal?.aborted === true) throw refused(to.path, 'ECANCELED')
    const known = fileFault(to.path, fault)
    throw known ? new RefusedError(known.refusal) : fault
  }
}

function refused(path: string, code: string): Error {
  const fault = fileFault(path, Object.assign(new Error('not a file'), { code }))
  return fault ? new RefusedError(fault.refusal) : new Error('not a file')
}
