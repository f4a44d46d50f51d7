import { randomBytes } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { base32, batchLane, invariant } from '#kernel/index.ts'
import { applyRecord } from './apply-record.ts'
import { parseRecord } from './ledger-record.ts'
import type { LedgerRecord } from './ledger-record.ts'
import { emptyState } from './ledger-state.ts'
import type { LedgerState, Span } from './ledger-state.ts'
import { readLines } from './read-lines.ts'

/** Adds a record to the work's write. `lazy` lets it reach the disk with the next one that may not. */
export type Append = (record: LedgerRecord, options?: { lazy: boolean }) => void

/** One partner's durable memory: an append-only NDJSON file and its fold. */
export type Ledger = {
  /** For reading only. What it shows may be a moment ahead of the disk; `transact` is not. */
  readonly state: LedgerState
  /**
   * Runs `work` alone; resolves when all that it saw and wrote is on the disk. Rejects for ever
   * after a failed write. `undefined` where the queue is full.
   */
  readonly transact: <T>(work: (append: Append) => T) => Promise<T> | undefined
  /** The record at a place that the state named. */
  readonly read: (span: Span) => Promise<LedgerRecord>
  /** Every record on the disk now, from the first. */
  readonly records: () => AsyncGenerator<{ readonly record: LedgerRecord; readonly span: Span }>
  /** Waits for what is under way and closes the file. */
  readonly close: () => Promise<void>
}

type Write = { chunks: Buffer[]; end: number; mustSync: boolean }

/** Opens or begins a ledger, cuts a torn last line and folds the rest; throws on a corrupt line. */
export async function openLedger(path: string, partner: string): Promise<Ledger> {
  const file = await openFile(path)
  const state = emptyState()
  let durable = await fold(file, state).catch(async (fault: unknown) => {
    await file.close()
    throw fault
  })
  let failure: unknown

  const flush = async (write: Write): Promise<void> => {
    if (write.chunks.length === 0) return
    await file.appendFile(Buffer.concat(write.chunks))
    if (write.mustSync) await file.datasync()
    durable = write.end
  }

  const lane = batchLane<(write: Write) => unknown, unknown>({
    batchMax: 512,
    queueMax: 20_000,
    run: async (works) => {
      if (failure !== undefined) throw failure
      const write: Write = { chunks: [], end: durable, mustSync: false }
      try {
        const answers = works.map((work) => work(write))
        await flush(write)
        return answers
      } catch (fault) {
        // The state may be ahead of the disk now, and a second fdatasync would lie about the first.
        failure = fault
        throw fault
      }
    },
  })

  const transact = <T>(work: (append: Append) => T): Promise<T> | undefined => {
    let answer: { readonly value: T } | undefined
    const submitted = lane.submit((write) => {
      answer = { value: work(appender(state, write)) }
    })
    return submitted?.then(() => {
      invariant(answer, 'work that was written has answered')
      return answer.value
    })
  }

  if (state.ledgerId === '') {
    const id = base32(randomBytes(10))
    await transact((append) => append({ t: 'ledger', v: 1, id, partner }))
  }
  return {
    state,
    transact,
    read: async (span) => parseRecord(await readSpan(file, span)),
    async *records() {
      for await (const line of readLines(file, durable))
        yield { record: parseRecord(line.bytes), span: line.span }
    },
    close: async () => {
      await lane.idle()
      await file.close()
    },
  }
}

function appender(state: LedgerState, write: Write): Append {
  return (record, options) => {
    const chunk = Buffer.from(`${JSON.stringify(record)}\n`)
    applyRecord(state, record, { offset: write.end, length: chunk.length - 1 })
    write.chunks.push(chunk)
    write.end += chunk.length
    write.mustSync ||= options?.lazy !== true
  }
}

async function openFile(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const file = await open(path, 'a+', 0o600)
  // The name must be as durable as the content: the folder is synced once.
  const folder = await open(dirname(path), 'r')
  await folder.sync()
  await folder.close()
  return file
}

/** Folds the whole lines, cuts what follows the last of them, and returns the length kept. */
async function fold(file: FileHandle, state: LedgerState): Promise<number> {
  const { size } = await file.stat()
  let end = 0
  for await (const { bytes, span } of readLines(file, size)) {
    applyRecord(state, parseRecord(bytes), span)
    end = span.offset + span.length + 1
  }
  if (end < size) {
    await file.truncate(end)
    await file.sync()
  }
  return end
}

async function readSpan(file: FileHandle, span: Span): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(span.length)
  const { bytesRead } = await file.read(bytes, 0, span.length, span.offset)
  invariant(bytesRead === span.length, 'a record that was written can be read')
  return bytes
}
