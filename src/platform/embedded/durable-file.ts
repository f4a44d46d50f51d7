import { randomBytes } from 'node:crypto'
import { link, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Writes a whole file so that a reader or a power cut sees the old bytes or the new ones, never half. */
export async function replaceFile(path: string, data: string | Uint8Array): Promise<void> {
  const draft = await writeDraft(path, data)
  await rename(draft, path)
  await syncFolder(dirname(path))
}

/** Like `replaceFile`, but only where nothing exists yet: of several callers at once one gets `true`. */
export async function createFile(path: string, data: string | Uint8Array): Promise<boolean> {
  const draft = await writeDraft(path, data)
  try {
    // link(2) fails where the name is taken; rename would silently replace it.
    await link(draft, path)
  } catch (fault) {
    if (hasCode(fault, 'EEXIST', 'ENOENT')) return false
    throw fault
  } finally {
    await rm(draft, { force: true })
  }
  await syncFolder(dirname(path))
  return true
}

/** Makes names created, renamed or removed in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** True where `fault` is a system error with one of these codes, such as ENOENT. */
export function hasCode(fault: unknown, ...codes: readonly string[]): boolean {
  const code = fault instanceof Error && 'code' in fault ? fault.code : undefined
  return typeof code === 'string' && codes.includes(code)
}

/** What `answer` gives, or undefined where the file or process it asks about is not there. */
export async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (fault) {
    if (hasCode(fault, 'ENOENT', 'ENOTDIR', 'ESRCH')) return undefined
    throw fault
  }
}

async function writeDraft(path: string, data: string | Uint8Array): Promise<string> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.draft`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(data)
    await handle.sync()
  } finally {
    await handle.close()
  }
  return draft
}
