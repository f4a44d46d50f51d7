import {
  chmod,
  lchown,
  lstat,
  mkdir,
  readlink,
  realpath,
  rename,
  stat,
  symlink,
} from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { accept, refuse, sha256Hex } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { hasCode, unlessMissing } from './durable-file.ts'
import { canTraverse, findUnprivilegedUser, isRoot, userOfUid } from './unprivileged-user.ts'
import type { SystemUser } from './unprivileged-user.ts'

/** Where root keeps clusters of checkouts that an unprivileged user cannot enter. */
export const SYSTEM_HOMES = '/var/lib/holdfast'

/**
 * The folders of one cluster. `dataDir` holds the secrets, `home` the cluster and its socket,
 * `records` the log and the owner records: all the same folder, or for a home below
 * `/var/lib/holdfast`, which the server's user owns, one beside it that root keeps to itself.
 */
export type DataHome = {
  readonly dataDir: string
  readonly home: string
  readonly records: string
  readonly cluster: string
  readonly sockets: string
  readonly log: string
  /** Whom the server runs as; undefined where it runs as the user who starts it. */
  readonly user: SystemUser | undefined
}

/** Makes the folders, given to the user that the server runs as, and links a home that is elsewhere. */
export async function prepareHome(wanted: string): Promise<Outcome<DataHome>> {
  await makeFolder(resolve(wanted), isRoot() ? 0o711 : 0o700)
  const found = await findHome(wanted)
  if (!found.ok) return found
  const { dataDir, home, records, user, cluster, sockets } = found.value
  if (home !== dataDir) {
    await makeFolder(SYSTEM_HOMES, 0o711)
    await makeFolder(records, 0o700)
    await makeFolder(home, 0o700, user)
    await linkCluster(join(dataDir, 'postgres'), cluster)
  }
  await makeFolder(sockets, 0o700, user)
  return found
}

/** Makes the data directory itself. Refuses with `database_unavailable` where it cannot be made. */
export async function prepareDataDir(wanted: string): Promise<Outcome<void>> {
  try {
    return accept(await makeFolder(resolve(wanted), isRoot() ? 0o711 : 0o700))
  } catch (fault) {
    return refuseUnusable(fault)
  }
}

/** True where a cluster was made for this data directory before. */
export async function hasCluster(wanted: string): Promise<boolean> {
  return (await unlessMissing(stat(join(resolve(wanted), 'postgres', 'PG_VERSION')))) !== undefined
}

// A folder that may not be written, a full disk, a path below a file, a file system without folders.
const UNUSABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOENT', 'ENOTDIR', 'EEXIST']

/** A refusal for what the file system said of the data directory; any other fault is thrown again. */
export function refuseUnusable(fault: unknown): Outcome<never> {
  if (fault instanceof Error && hasCode(fault, ...UNUSABLE))
    return refuse('database_unavailable', `The data directory cannot be used: ${fault.message}`)
  throw fault
}

/** Finds the folders without making any. Refuses where root has no account to drop to. */
export async function findHome(wanted: string): Promise<Outcome<DataHome>> {
  const dataDir = await realpath(wanted)
  const link = join(dataDir, 'postgres')
  const linked = (await unlessMissing(lstat(link)))?.isSymbolicLink()
    ? resolve(dataDir, await readlink(link))
    : undefined
  const user = await serverUser(linked ?? link)
  if (isRoot() && !user)
    return refuse(
      'database_unavailable',
      'PostgreSQL does not run as root, and this host has neither a user "postgres" nor "nobody". Start Holdfast as an ordinary user.',
    )
  const home = linked ? dirname(linked) : await homeFor(dataDir, user)
  const records = home === dataDir ? dataDir : `${home}.records`
  const folders = { cluster: join(home, 'postgres'), sockets: join(home, 'socket') }
  return accept({ dataDir, home, records, ...folders, log: join(records, 'postgres.log'), user })
}

/** The home of a checkout that the server's user cannot enter, by the hash of its path. */
export function systemHome(dataDir: string): string {
  return join(SYSTEM_HOMES, sha256Hex(dataDir).slice(0, 16))
}

async function homeFor(dataDir: string, user: SystemUser | undefined): Promise<string> {
  return !user || (await canTraverse(user, dataDir)) ? dataDir : systemHome(dataDir)
}

// A cluster that exists keeps its owner: root may start what an ordinary user made.
async function serverUser(cluster: string): Promise<SystemUser | undefined> {
  if (!isRoot()) return undefined
  const existing = await unlessMissing(stat(cluster))
  if (existing && existing.uid !== 0) return userOfUid(existing.uid, existing.gid)
  return findUnprivilegedUser()
}

/**
 * Makes a folder, and those above it, with this mode and owner whatever the umask; one that exists
 * keeps its mode. Throws the system's error, named by its path, where none can be made.
 */
export async function makeFolder(path: string, mode: number, user?: SystemUser): Promise<void> {
  const isNew = await isMade(path, mode)
  // The umask takes from what others may do, never from the owner; links are not followed.
  if (isNew && (mode & 0o077) !== 0) await chmod(path, mode)
  if (isNew && user) await lchown(path, user.uid, user.gid)
}

// Not `recursive: true`: below a file system that takes no folders (/proc), Node's own never ends.
async function isMade(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode })
    return true
  } catch (fault) {
    if (hasCode(fault, 'EEXIST') && (await stat(path)).isDirectory()) return false
    const above = dirname(path)
    if (!hasCode(fault, 'ENOENT') || (await unlessMissing(stat(above)))) throw fault
    await isMade(above, mode)
    return isMade(path, mode)
  }
}

async function linkCluster(link: string, cluster: string): Promise<void> {
  if (await unlessMissing(lstat(link))) return
  const draft = `${link}.draft-${process.pid}`
  await symlink(cluster, draft)
  await rename(draft, link)
}
