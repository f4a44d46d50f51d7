import { orThrow, refuse, RefusedError } from '#kernel/index.ts'
import type { Config } from '#platform/index.ts'

/** Runs a command as the owner of the database. Throws `config_invalid` if nobody says who that is. */
export async function withOwner<T>(config: Config, body: (url: string) => Promise<T>): Promise<T> {
  if (config.migrationDatabaseUrl) return body(config.migrationDatabaseUrl)
  if (config.databaseUrl) throw new RefusedError(ownerNeeded().refusal)
  const { findGround } = await import('#roles/index.ts')
  const ground = orThrow(await findGround(config))
  try {
    return await body(ground.ownerUrl ?? ground.runtimeUrl)
  } finally {
    await ground.stop()
  }
}

/** The refusal of a command that needs the owner of a configured database. */
export const ownerNeeded = () =>
  refuse(
    'config_invalid',
    'HOLDFAST_MIGRATION_DATABASE_URL is needed: the owner of the database of HOLDFAST_DATABASE_URL.',
  )
