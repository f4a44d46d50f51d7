import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { accept, invariant, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { createFile, unlessMissing } from './durable-file.ts'

const passwords = z.object({
  superuser: z.string().min(32),
  owner: z.string().min(32),
  runtime: z.string().min(32),
})
/** The passwords of one cluster: 192 random bits each, in base64url. */
export type Passwords = z.infer<typeof passwords>

const MASTER_KEY_BYTES = 32

/**
 * Reads the passwords and checks the master key; both are made once, mode 0600, before the cluster.
 * Beside a cluster that exists a lost one is refused: a new key could not open what the old one sealed.
 * No key is made where `makesKey` is false: then `HOLDFAST_MASTER_KEY_FILE` names one.
 */
export async function ensureSecrets(
  dataDir: string,
  existingCluster: string | undefined,
  makesKey = true,
): Promise<Outcome<Passwords>> {
  for (const [name, make] of [
    ...(makesKey ? ([['master.key', () => randomBytes(MASTER_KEY_BYTES)]] as const) : []),
    ['secrets.json', newPasswords],
  ] as const) {
    const path = join(dataDir, name)
    if ((await unlessMissing(readFile(path))) !== undefined) continue
    if (existingCluster !== undefined)
      return refuse(
        'database_unavailable',
        `${path} is missing, but its database exists. Put the file back${name === 'master.key' ? ', name it by HOLDFAST_MASTER_KEY_FILE' : ''}, or move ${existingCluster} away to begin anew.`,
      )
    await createFile(path, make())
  }
  if (makesKey) await readMasterKey(dataDir)
  return accept(await readPasswords(dataDir))
}

/** The passwords of the cluster below `dataDir`; throws where the file is missing or damaged. */
export async function readPasswords(dataDir: string): Promise<Passwords> {
  return passwords.parse(JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8')))
}

/** The 32 bytes of `master.key` below `dataDir`; throws where the file is missing or damaged. */
export async function readMasterKey(dataDir: string): Promise<Buffer> {
  const key = await readFile(join(dataDir, 'master.key'))
  invariant(key.length === MASTER_KEY_BYTES, `master.key holds ${MASTER_KEY_BYTES} bytes`)
  return key
}

function newPasswords(): string {
  const password = (): string => randomBytes(24).toString('base64url')
  const made: Passwords = { superuser: password(), owner: password(), runtime: password() }
  return `${JSON.stringify(made, null, 2)}\n`
}
