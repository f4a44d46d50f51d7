import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { findHome } from './data-home.ts'
import { hasCode } from './durable-file.ts'
import { readLiveOwner } from './ownership.ts'
import { roleUrls } from './roles.ts'
import { readPasswords } from './secrets.ts'

/**
 * The URLs of a cluster that another live process owns. Refuses with `database_unavailable` where
 * no process runs it, where it is still starting, or where its secrets belong to another user.
 */
export async function attachEmbedded(
  dataDir: string,
): Promise<Outcome<{ ownerUrl: string; runtimeUrl: string }>> {
  try {
    const place = await findHome(dataDir)
    if (!place.ok) return place
    const owner = await readLiveOwner(place.value.records)
    if (!owner?.connection) return notRunning(dataDir)
    return accept(roleUrls(owner.connection, await readPasswords(place.value.dataDir)))
  } catch (fault) {
    if (hasCode(fault, 'ENOENT')) return notRunning(dataDir)
    if (fault instanceof Error && hasCode(fault, 'EACCES', 'EPERM'))
      return refuse('database_unavailable', `The data directory cannot be read: ${fault.message}`)
    throw fault
  }
}

function notRunning(dataDir: string): Outcome<never> {
  return refuse('database_unavailable', `No Holdfast process runs the database of ${dataDir}.`)
}
