import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { orThrow } from '#kernel/index.ts'
import { startOwned } from './start-embedded.ts'
import type { EmbeddedPostgres } from './start-embedded.ts'

/** A cluster for tests, with fsync on, in a temporary folder that `dispose` removes. */
export type ThrowawayCluster = EmbeddedPostgres & {
  /** The superuser, who may create and clone databases. */
  readonly adminUrl: string
  dispose(): Promise<void>
}

/** Starts a cluster of its own for a test run. Throws where that is refused. */
export async function startThrowaway(
  options: { forceTcp?: boolean } = {},
): Promise<ThrowawayCluster> {
  const folder = await makeTemporaryFolder()
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const cluster = orThrow(await startOwned({ dataDir: folder, ...options }))
    const dispose = async (): Promise<void> => {
      await cluster.stop()
      await remove()
    }
    return { ...cluster, dispose }
  } catch (fault) {
    await remove()
    throw fault
  }
}

/** A new folder in the system's temporary one that the user of a server started by root may enter. */
export async function makeTemporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-'))
  await chmod(folder, 0o711)
  return folder
}
