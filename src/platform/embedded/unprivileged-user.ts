import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** An account of the host, as `/etc/passwd` lists it. */
export type SystemUser = { readonly name: string; readonly uid: number; readonly gid: number }

/** In this order: the account of a system PostgreSQL, then the one that owns nothing. */
const PREFERRED = ['postgres', 'nobody']

/** True where this process is root, as whom PostgreSQL refuses to run. */
export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** The existing account to which root drops; undefined where the host has none. Makes no account. */
export async function findUnprivilegedUser(): Promise<SystemUser | undefined> {
  const users = await systemUsers()
  for (const name of PREFERRED) {
    const user = users.find((one) => one.name === name)
    if (user) return user
  }
  return undefined
}

/** The account with this uid, named by number where the host does not list it. */
export async function userOfUid(uid: number, gid: number): Promise<SystemUser> {
  const user = (await systemUsers()).find((one) => one.uid === uid)
  return user ?? { name: `uid ${uid}`, uid, gid }
}

/** True where `user` may enter a folder and every folder above it, by their mode bits. */
export async function canTraverse(user: SystemUser, folder: string): Promise<boolean> {
  for (let path = folder; ; path = dirname(path)) {
    const { mode, uid, gid } = await stat(path)
    if ((mode & executeBit(user, { uid, gid })) === 0) return false
    if (path === dirname(path)) return true
  }
}

function executeBit(user: SystemUser, owner: { uid: number; gid: number }): number {
  if (owner.uid === user.uid) return 0o100
  return owner.gid === user.gid ? 0o010 : 0o001
}

async function systemUsers(): Promise<SystemUser[]> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n')
  return lines
    .map((line) => line.split(':'))
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ name, uid, gid }) => name !== '' && uid > 0 && gid > 0)
}
