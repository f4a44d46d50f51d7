import { join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow, RefusedError } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { createLog, migrate, raiseFenceEpoch } from '#platform/index.ts'
import type { Config } from '#platform/index.ts'
import { prepareDataDir } from '#platform/embedded/index.ts'
import { addCommand, addGroup } from './command.ts'
import { cliActor, cliConfig } from './with-installation.ts'
import { ownerNeeded, withOwner } from './with-owner.ts'

// With --json standard output is one document, so that people's lines go beside it.
const sayTo =
  (stream: NodeJS.WriteStream) =>
  (line: string): void =>
    void stream.write(`${line}\n`)

/** `up`, `serve`, `migrate`, `db fence`. */
export function addRunCommands(program: Command): void {
  addCommand(program, {
    usage: 'up',
    summary: 'run everything on this machine: database, all roles, a sample shop with partners',
    example: 'holdfast up',
    options: [['--no-demo', 'leave out the sample shop and the simulated partners']],
    input: z.object({ demo: z.boolean(), json: z.boolean().default(false) }),
    run: async ({ demo, json }) => {
      const say = sayTo(json ? process.stderr : process.stdout)
      const { runUp } = await import('#roles/index.ts')
      const config = cliConfig()
      orThrow(await prepareDataDir(config.dataDir))
      const log = createLog({ level: config.logLevel, file: join(config.dataDir, 'holdfast.log') })
      const serving = orThrow(await runUp(config, { demo, log, say }))
      return { json: toJson(serving), text: '', staysUp: true }
    },
  })
  addCommand(program, {
    usage: 'serve',
    summary: 'run the named roles over a migrated database',
    example: 'holdfast serve --roles web,orders,fulfillment,worker,ops',
    options: [['--roles <names>', 'comma-separated: web, orders, fulfillment, worker, ops']],
    input: z.object({ roles: z.string('names the roles to run') }),
    run: async ({ roles: names }) => {
      const { parseRoles, runServe } = await import('#roles/index.ts')
      const roles = parseRoles(names)
      if (!roles.ok) throw new RefusedError({ ...roles.refusal, field: '--roles' })
      const config = cliConfig()
      const log = createLog({ level: config.logLevel })
      const serving = orThrow(
        await runServe(config, { roles: roles.value, log, say: sayTo(process.stderr) }),
      )
      const urls = [serving.httpUrl, serving.grpcUrl].filter((url) => url !== undefined)
      return { json: toJson(serving), text: urls.join('\n'), staysUp: true }
    },
  })
  addCommand(program, {
    usage: 'migrate',
    summary: 'bring the schema up to this build, as the owner of the database',
    example: 'holdfast migrate',
    input: z.object({}),
    run: async () => {
      const { applied } = orThrow(await migrateGround(cliConfig()))
      const text = applied.length > 0 ? applied.join('\n') : 'The schema is that of this build.'
      return { json: { applied }, text }
    },
  })
  addCommand(addGroup(program, 'db', 'the database as a whole'), {
    usage: 'fence',
    summary: 'after a restore or a failover: send nothing until the books agree with every partner',
    example: 'holdfast db fence --reason "restored the backup of 02:00"',
    options: [['--reason <text>', 'what happened; the audit table keeps it']],
    input: z.object({ reason: z.string('says why').min(1).max(500) }),
    run: async ({ reason }) => {
      const by = { merchant: 'main', actor: cliActor(), reason }
      const { epoch } = await withOwner(cliConfig(), async (url) => raiseFenceEpoch(url, by))
      const text = `Fence epoch ${epoch}. Every lane is shut until \`holdfast reconcile shipments\` is green.`
      return { json: { fence_epoch: epoch }, text }
    },
  })
}

async function migrateGround(config: Config): Promise<Outcome<{ applied: readonly string[] }>> {
  if (config.migrationDatabaseUrl) return migrate(config.migrationDatabaseUrl)
  if (config.databaseUrl) return ownerNeeded()
  const { findGround } = await import('#roles/index.ts')
  const ground = orThrow(await findGround(config, { mayCreate: true }))
  try {
    return await migrate(ground.ownerUrl ?? ground.runtimeUrl)
  } finally {
    await ground.stop()
  }
}

function toJson(serving: { httpUrl: string | undefined; grpcUrl: string | undefined }) {
  return { http_url: serving.httpUrl ?? null, grpc_url: serving.grpcUrl ?? null }
}
