import { join } from 'node:path'
import { accept, bytesEqual, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { Config } from '#platform/index.ts'
import { loadedKey, readKeyFile } from '#platform/secrets/index.ts'
import type { LoadedKey } from '#platform/secrets/index.ts'

/** The master key that `HOLDFAST_MASTER_KEY_FILE` names. Refuses `config_invalid`. */
export async function configuredKey(path: string): Promise<Outcome<LoadedKey>> {
  const key = await readKeyFile(path)
  if (key) return accept(loadedKey(key))
  return refuse(
    'config_invalid',
    'HOLDFAST_MASTER_KEY_FILE cannot be read, or holds fewer than 32 bytes or more than 4096.',
  )
}

/**
 * The master key beside the embedded database: the configured one, else `master.key` of the data folder.
 * Refuses `master_key_differs` if both are there and are not the same, and `config_invalid` if neither is.
 */
export async function embeddedKey(config: Config): Promise<Outcome<LoadedKey>> {
  const path = join(config.dataDir, 'master.key')
  const own = await readKeyFile(path)
  if (!config.masterKeyFile) {
    if (own) return accept(loadedKey(own))
    return refuse(
      'config_invalid',
      `There is no master key in ${path}: set HOLDFAST_MASTER_KEY_FILE to the one that this database was started with.`,
    )
  }
  const configured = await readKeyFile(config.masterKeyFile)
  if (configured && own && !bytesEqual(configured, own)) {
    return refuse(
      'master_key_differs',
      `${path} holds another master key than HOLDFAST_MASTER_KEY_FILE names. Take the file away if it is not the key of this database, or leave the setting out.`,
    )
  }
  return configuredKey(config.masterKeyFile)
}
