import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { orThrow } from '#kernel/index.ts'
import { migrate } from '#platform/index.ts'
import type { Shutdown } from '#platform/index.ts'
import { startThrowaway } from '#platform/embedded/index.ts'
import type { ThrowawayCluster } from '#platform/embedded/index.ts'

/** What a run stands on: a PostgreSQL and a folder that are gone when it ends. */
export type LabGround = {
  readonly folder: string
  /** Makes a database of its own and brings it to the schema of this build. */
  readonly createDatabase: (
    name: string,
    createAs: 'product' | 'lab',
  ) => Promise<{ readonly ownerUrl: string; readonly runtimeUrl: string }>
}

/** Starts the cluster and makes the folder; both end with `shutdown`. */
export async function openGround(shutdown: Shutdown): Promise<LabGround> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-lab-'))
  await chmod(folder, 0o700)
  shutdown.onShutdown('folder', () => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'files'), { mode: 0o700 })
  // Registered before it has started: a stop that comes meanwhile waits for it, and ends it. One that does
  // not start, as when Ctrl-C ends it too, takes its folder away by itself.
  const starting = startThrowaway()
  const end = (started: ThrowawayCluster) => started.dispose()
  shutdown.onShutdown('cluster', () => starting.then(end, () => undefined))
  const cluster = await starting
  return {
    folder,
    createDatabase: async (name, createAs) => {
      const urls = await create(cluster, name)
      orThrow(await migrate(urls.ownerUrl, { createAs }))
      return urls
    },
  }
}

async function create(
  cluster: ThrowawayCluster,
  name: string,
): Promise<{ ownerUrl: string; runtimeUrl: string }> {
  const client = new Client({ connectionString: cluster.adminUrl })
  // A server that is stopped between two statements is told by the next one.
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(`create database ${name} owner holdfast_owner`)
    await client.query(`revoke all on database ${name} from public`)
    await client.query(`grant connect on database ${name} to holdfast_app`)
  } finally {
    await client.end()
  }
  return { ownerUrl: at(cluster.ownerUrl, name), runtimeUrl: at(cluster.runtimeUrl, name) }
}

// Only the name at the end of the path changes: host, port and socket stay.
function at(url: string, name: string): string {
  return url.replace(/\/holdfast(?=\?|$)/, `/${name}`)
}
