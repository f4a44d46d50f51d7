import { accept, refuse, systemClock } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import {
  checkInstanceKind,
  checkSchema,
  closeDatabase,
  keepStatistics,
  nodeName,
  openDatabase,
  patientDatabase,
  recordProvenance,
  SERVING_WAITS,
} from '#platform/index.ts'
import type { Config, Context, Database, Log } from '#platform/index.ts'
import { attachEmbedded, hasCluster, startEmbedded } from '#platform/embedded/index.ts'
import { resealSecrets } from '#platform/secrets/index.ts'
import type { LoadedKey } from '#platform/secrets/index.ts'
import { startFlagReader } from '#flags/index.ts'
import type { FlagReader } from '#flags/index.ts'
import { orderPlacing, orderTokens } from '#orders/index.ts'
import type { OrderPlacing, OrderTokens } from '#orders/index.ts'
import { reviewKeys } from '#wire/index.ts'
import type { ReviewKeys } from '#wire/index.ts'
import { BUILD } from './build.ts'
import { configuredKey, embeddedKey } from './load-key.ts'

/** The merchant of a single shop, who never sees the word. */
export const MERCHANT = 'main'

/** A database to work on, and the master key that was read for it; the database has yet to admit it. */
export type Ground = {
  readonly runtimeUrl: string
  readonly ownerUrl: string | undefined
  readonly key: LoadedKey
  readonly notice?: string
  readonly stop: () => Promise<void>
}

/** Everything that verbs are given, made once a process. */
export type Installation = {
  readonly context: Context
  /** The same for work that no request waits for: its statements may take longer. */
  readonly background: Context
  /** Where the runtime role connects. */
  readonly runtimeUrl: string
  readonly flags: FlagReader
  readonly masterKey: Buffer
  readonly reviewKeys: ReviewKeys
  readonly tokens: OrderTokens
  readonly placing: OrderPlacing
  readonly close: () => Promise<void>
}

/**
 * Finds the database: the configured one, else the embedded one that a live process runs, else the
 * embedded one started for as long as this process needs it. Where none was made yet, refuses with
 * `database_unavailable` unless it `mayCreate` one: a question asked in the wrong folder must not be
 * answered by an empty shop. With `isOwn` it creates too, and never takes the database of another
 * process: it would stop with that process, so it is refused with `data_dir_busy`.
 */
export async function findGround(
  config: Config,
  { isOwn = false, mayCreate = isOwn }: { isOwn?: boolean; mayCreate?: boolean } = {},
): Promise<Outcome<Ground>> {
  if (config.databaseUrl) return configuredGround(config, config.databaseUrl)
  if (isOwn) return embeddedGround(config)
  if (!mayCreate && !(await hasCluster(config.dataDir))) {
    return refuse(
      'database_unavailable',
      `There is no database in ${config.dataDir}. \`holdfast up\` makes one, \`HOLDFAST_DATABASE_URL\` names another.`,
    )
  }
  const running = await attachEmbedded(config.dataDir)
  if (running.ok) {
    const key = await embeddedKey(config)
    return key.ok
      ? accept({ ...running.value, key: key.value, stop: () => Promise.resolve() })
      : key
  }
  return embeddedGround(config)
}

async function embeddedGround(config: Config): Promise<Outcome<Ground>> {
  // A key that is named must be there and must be the one of the folder, before anything is made.
  const named = config.masterKeyFile ? await embeddedKey(config) : undefined
  if (named && !named.ok) return named
  const started = await startEmbedded({ dataDir: config.dataDir, makesKey: named === undefined })
  if (!started.ok) return started
  const engine = started.value
  const { runtimeUrl, ownerUrl, notice } = engine
  const key = named ?? (await embeddedKey(config))
  if (!key.ok) {
    await engine.stop()
    return key
  }
  return accept({
    runtimeUrl,
    ownerUrl,
    key: key.value,
    ...(notice ? { notice } : {}),
    stop: () => engine.stop(),
  })
}

async function configuredGround(config: Config, runtimeUrl: string): Promise<Outcome<Ground>> {
  if (!config.masterKeyFile) {
    return refuse(
      'config_invalid',
      'HOLDFAST_MASTER_KEY_FILE is needed beside HOLDFAST_DATABASE_URL.',
    )
  }
  const key = await configuredKey(config.masterKeyFile)
  if (!key.ok) return key
  return accept({
    runtimeUrl,
    ownerUrl: config.migrationDatabaseUrl,
    key: key.value,
    stop: () => Promise.resolve(),
  })
}

/**
 * Opens an installation over a ground; refuses `database_schema` where it is not migrated, and
 * `lab_database` where it was created for the lab, and `master_key_unknown` if the key is not in force
 * there. Here alone a key comes out of its ground, and secrets of earlier builds are sealed anew. With
 * `isServing` whatever uses its `context` gives up in time for a request to be answered (`SERVING_WAITS`).
 */
export async function openInstallation(
  ground: Ground,
  options: { log: Log; connectionsMax?: number; isServing?: boolean },
): Promise<Outcome<Installation>> {
  const schema = await checkSchema(ground.runtimeUrl)
  if (!schema.ok) return schema
  const kind = await checkInstanceKind(ground.runtimeUrl, 'product')
  if (!kind.ok) return kind
  const database = openDatabase(ground.runtimeUrl, {
    connectionsMax: options.connectionsMax ?? 20,
    ...(options.isServing === true ? SERVING_WAITS : {}),
  })
  const admitted = await admitKey(ground, database, options.log)
  if (!admitted.ok) {
    await closeDatabase(database)
    return admitted
  }
  const masterKey = admitted.value
  const versions = new Map<number, Promise<string>>()
  const bare = { merchant: MERCHANT, database, clock: systemClock, log: options.log }
  const flags = await startFlagReader(bare)
  const provenanceOf = (flagSetVersion: number): Promise<string> => {
    const known = versions.get(flagSetVersion)
    if (known) return known
    const made = recordProvenance(database, MERCHANT, {
      flagSetVersion,
      build: BUILD,
      schemaVersion: schema.value.version,
      node: nodeName(),
    })
    versions.set(flagSetVersion, made)
    made.catch(() => versions.delete(flagSetVersion))
    return made
  }
  const context: Context = {
    ...bare,
    provenance: async () => {
      const flagSetVersion = flags.version()
      return { id: await provenanceOf(flagSetVersion), flagSetVersion }
    },
  }
  const background = { ...context, database: patientDatabase(database) }
  const statistics = keepStatistics(background.database, options.log)
  const keys = reviewKeys(masterKey)
  return accept({
    context,
    background,
    runtimeUrl: ground.runtimeUrl,
    flags,
    masterKey,
    reviewKeys: keys,
    tokens: orderTokens(masterKey),
    placing: orderPlacing({ context, flags, reviewKey: keys.signing }),
    close: async () => {
      await flags.stop()
      await statistics.stop()
      await closeDatabase(database)
    },
  })
}

async function admitKey(ground: Ground, database: Database, log: Log): Promise<Outcome<Buffer>> {
  try {
    const admitted = await ground.key.admit(database, MERCHANT)
    if (admitted.ok) await resealSecrets(database, admitted.value, { merchant: MERCHANT, log })
    return admitted
  } catch (fault) {
    await closeDatabase(database)
    throw fault
  }
}
