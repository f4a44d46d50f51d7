import { readFile, rename, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { sha256Hex } from '#kernel/index.ts'

/** One JSON value that outlives the process. */
export type KeptFile = {
  /** What was kept before; `undefined` where there is nothing, or the configuration has changed. */
  readonly first: unknown
  /** Resolves when this value, or a newer one, is on the disk. */
  readonly keep: (value: unknown) => Promise<void>
  /** Waits for what is under way. */
  readonly idle: () => Promise<void>
}

const kept = z.object({ configured: z.string(), value: z.unknown() })

/**
 * Opens a kept file. What was kept under another start option is dropped: the newer word of whoever
 * wrote the configuration counts.
 */
export async function openKeptFile(path: string, configured: unknown): Promise<KeptFile> {
  const mark = sha256Hex(JSON.stringify(configured ?? null))
  const found = kept.safeParse(
    await readFile(path, 'utf8').then(
      (text): unknown => JSON.parse(text),
      () => undefined,
    ),
  )
  let newest: unknown
  let isDirty = false
  let running: Promise<void> | undefined

  // One write at a time, and the newest value wins: many changes cost one write.
  const run = async (): Promise<void> => {
    while (isDirty) {
      isDirty = false
      const text = JSON.stringify({ configured: mark, value: newest })
      await writeFile(`${path}.new`, text, { mode: 0o600, flush: true })
      await rename(`${path}.new`, path)
    }
  }

  return {
    first: found.success && found.data.configured === mark ? found.data.value : undefined,
    keep(value) {
      newest = value
      isDirty = true
      running ??= run().finally(() => {
        running = undefined
      })
      return running
    },
    idle: () => running ?? Promise.resolve(),
  }
}
