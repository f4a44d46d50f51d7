import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { hasCode } from './embedded/durable-file.ts'

/** Takes the lines of a log. Neither call throws, and none waits for a disk or a reader. */
export type LogWriter = {
  /** Takes one line with its end; it is written within a tenth of a second, or dropped and counted. */
  readonly write: (line: string) => void
  /** Writes what waits, before the process ends: at most half a second, then the rest is dropped. */
  readonly flush: () => void
}

/** What may wait, in characters: seconds of a busy process. */
const WAITING_MAX = 4 * 1024 * 1024
const GATHER_MS = 100
/** A disk that was full stays full for a while: the next try comes after this. */
const REST_MS = 1_000
const FLUSH_MAX_MS = 500

let droppedLines = 0

/** Log lines of this process that could not be written: a full disk, a reader that left or stands still. */
export function droppedLogLines(): number {
  return droppedLines
}

/**
 * Writes lines to `file`, whose folder exists, or to standard error without one. One write at a time is under way, on a thread of the
 * pool; a pipe is opened anew so that it never waits for its reader. What a full disk or a closed pipe refuses is
 * dropped and counted, and the next write waits a second; what a slow reader leaves waits, up to 4 Mi characters.
 */
export function openLogWriter(file?: string): LogWriter {
  let fd: number | undefined
  let waiting: string[] = []
  let chars = 0
  let isWriting = false
  let unreported = 0
  let timer: NodeJS.Timeout | undefined

  const drop = (lines: number): void => {
    droppedLines += lines
    unreported += lines
  }
  const take = (): Buffer => {
    const text = waiting.join('')
    waiting = []
    chars = 0
    return Buffer.from(text)
  }
  const soon = (afterMs: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      if (!isWriting && waiting.length > 0) begin()
    }, afterMs).unref()
  }
  const begin = (): void => {
    fd ??= openTarget(file)
    isWriting = true
    attempt(take())
  }
  const end = (afterMs: number): void => {
    isWriting = false
    soon(afterMs)
  }
  const attempt = (bytes: Buffer): void => {
    if (fd === undefined) return fail(bytes)
    write(fd, bytes, 0, bytes.length, null, (fault, written) => {
      const rest = fault ? bytes : bytes.subarray(written)
      if (fault && hasCode(fault, 'EAGAIN')) {
        // The reader is slow: what waits keeps its order behind this.
        waiting.unshift(rest.toString())
        chars += rest.length
        return end(GATHER_MS)
      }
      if (fault) return fail(rest)
      if (rest.length > 0) return attempt(rest)
      report()
      end(GATHER_MS)
    })
  }
  const fail = (bytes: Buffer): void => {
    drop(linesIn(bytes))
    if (file !== undefined && fd !== undefined) closeSync(fd)
    fd = file === undefined ? fd : undefined
    end(REST_MS)
  }
  const report = (): void => {
    if (unreported === 0) return
    const fields = { level: 'warn', time: new Date().toISOString(), dropped: unreported }
    unreported = 0
    add(`${JSON.stringify({ ...fields, msg: 'log lines were dropped' })}\n`)
  }
  const add = (line: string): void => {
    if (chars + line.length > WAITING_MAX) return drop(1)
    waiting.push(line)
    chars += line.length
    soon(GATHER_MS)
  }
  return {
    write: add,
    flush: () => {
      fd ??= openTarget(file)
      drop(linesIn(writeNow(fd, take())))
    },
  }
}

// What could not be written in time.
function writeNow(fd: number | undefined, bytes: Buffer): Buffer {
  if (fd === undefined) return bytes
  const untilMs = performance.now() + FLUSH_MAX_MS
  let rest = bytes
  while (rest.length > 0 && performance.now() < untilMs) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (fault) {
      if (!hasCode(fault, 'EAGAIN')) break
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
  return rest
}

function linesIn(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count += 1
  return count
}

// Orders and partners are named in a log file: it is for its owner alone, as the files beside it.
function openTarget(file: string | undefined): number | undefined {
  try {
    if (file === undefined) return openStandardError()
    return openSync(file, 'a', 0o600)
  } catch {
    return undefined
  }
}

// Pipes and terminals are opened again, so that only our writes do not wait. A file is not: whoever shares it
// shares its position.
function openStandardError(): number {
  const found = fstatSync(2)
  if (!found.isFIFO() && !found.isCharacterDevice()) return 2
  try {
    return openSync('/proc/self/fd/2', constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    return 2
  }
}
