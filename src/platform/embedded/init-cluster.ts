import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { lchown, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { Binaries } from './binaries.ts'
import { makeFolder } from './data-home.ts'
import type { DataHome } from './data-home.ts'
import { syncFolder } from './durable-file.ts'
import { SUPERUSER } from './roles.ts'
import { serverEnvironment, tuningArguments } from './server-settings.ts'

const OUTPUT_CHARS_MAX = 4000

/**
 * Makes the cluster: UTF-8, code-point order, checksums, passwords by SCRAM-SHA-256 (RFC 7677).
 * It grows under another name and is renamed when whole, so that a cluster is there or is not.
 */
export async function initCluster(
  place: DataHome,
  binaries: Binaries,
  superuserPassword: string,
): Promise<Outcome<void>> {
  await removeDrafts(place)
  const draft = `${place.cluster}.init-${randomBytes(6).toString('hex')}`
  const passwordFile = `${draft}.password`
  await makeFolder(draft, 0o700, place.user)
  await writeFile(passwordFile, superuserPassword, { mode: 0o600, flag: 'wx' })
  if (place.user) await lchown(passwordFile, place.user.uid, place.user.gid)
  try {
    const failure = await runInitdb(place, binaries, { draft, passwordFile })
    if (failure !== undefined)
      return refuse('database_unavailable', `PostgreSQL cannot make its cluster: ${failure}`)
  } finally {
    await rm(passwordFile, { force: true })
  }
  await rename(draft, place.cluster)
  await syncFolder(place.home)
  return accept(undefined)
}

/** Removes what starts that died in the middle left behind. */
export async function removeDrafts({ home, dataDir, records }: DataHome): Promise<void> {
  for (const folder of new Set([home, dataDir, records]))
    for (const name of await readdir(folder))
      if (/^postgres\.init-|\.draft(-|$)/.test(name))
        await rm(join(folder, name), { recursive: true, force: true })
}

async function runInitdb(
  place: DataHome,
  binaries: Binaries,
  paths: { draft: string; passwordFile: string },
): Promise<string | undefined> {
  const program = join(binaries.native, 'bin', 'initdb')
  const login = [
    `--username=${SUPERUSER}`,
    `--pwfile=${paths.passwordFile}`,
    '--auth=scram-sha-256',
  ]
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const format = ['--encoding=UTF8', '--data-checksums', ...tuningArguments()]
  const child = spawn(program, ['-D', paths.draft, ...login, ...locale, ...format], {
    cwd: place.home,
    env: serverEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(place.user && { uid: place.user.uid, gid: place.user.gid }),
  })
  let output = ''
  const keep = (chunk: Buffer): void => {
    output = `${output}${chunk.toString()}`.slice(-OUTPUT_CHARS_MAX)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  try {
    const [code] = await once(child, 'close')
    return code === 0 ? undefined : output.trim()
  } catch (fault) {
    return fault instanceof Error ? fault.message : String(fault)
  }
}
