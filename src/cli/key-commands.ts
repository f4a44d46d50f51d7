import type { Command } from 'commander'
import { z } from 'zod'
import { accept, orThrow, refuse } from '#kernel/index.ts'
import { checkSchema, closeDatabase, openDatabase } from '#platform/index.ts'
import type { Database } from '#platform/index.ts'
import {
  addMasterKey,
  listMasterKeys,
  loadedKey,
  readKeyFile,
  retireMasterKey,
} from '#platform/secrets/index.ts'
import { addCommand, addGroup } from './command.ts'
import { table, time } from './format-text.ts'
import { cliActor, cliConfig } from './with-installation.ts'
import { withOwner } from './with-owner.ts'

const reason = z.string('says why').min(1).max(500)
const REASON = ['--reason <text>', 'why, for the audit trail'] as const
const by = () => ({ merchant: 'main', actor: cliActor() })

/** `keys list|add|retire`: the master keys in force, as the owner of the database. */
export function addKeyCommands(program: Command): void {
  const group = addGroup(
    program,
    'keys',
    'which master keys are in force, by ids that tell nothing',
  )
  addCommand(group, {
    usage: 'list',
    summary: 'every master key that was ever in force, and how many live secrets it sealed',
    example: 'holdfast keys list',
    input: z.object({}),
    run: () =>
      asOwner(async (database) => {
        const keys = await listMasterKeys(database)
        return {
          json: { keys },
          text: table(
            ['ID', 'IN FORCE', 'ADDED', 'BY', 'RETIRED', 'SECRETS'],
            keys.map((one) => [
              one.id,
              one.retired_at === null ? 'yes' : 'no',
              time(one.added_at),
              one.added_by,
              time(one.retired_at),
              String(one.secrets),
            ]),
          ),
        }
      }),
  })
  addCommand(group, {
    usage: 'add <file>',
    summary: 'put the master key of a file in force, so that processes may start with it',
    example: 'holdfast keys add new-master.key --reason "the old one was lost"',
    options: [REASON],
    input: z.object({ file: z.string(), reason }),
    run: ({ file, reason: why }) =>
      asOwner(async (database) => {
        const key = await readKeyFile(file)
        const unreadable = refuse('file_unreadable', `${file} is not a key of 32 to 4096 bytes.`)
        const { id } = loadedKey(orThrow(key ? accept(key) : unreadable))
        const { wasNew } = orThrow(await addMasterKey(database, { ...by(), id, reason: why }))
        const text = wasNew ? `${id} is in force.` : `${id} was in force before.`
        return { json: { id, was_new: wasNew }, text }
      }),
  })
  addCommand(group, {
    usage: 'retire <id>',
    summary: 'take a master key out of force; refused while live secrets are sealed with it',
    example: 'holdfast keys retire mk_abcdefghij234567 --reason "replaced"',
    options: [REASON],
    input: z.object({ id: z.string(), reason }),
    run: ({ id, reason: why }) =>
      asOwner(async (database) => {
        orThrow(await retireMasterKey(database, { ...by(), id, reason: why }))
        return { json: { id, retired: true }, text: `${id} is no longer in force.` }
      }),
  })
}

const asOwner = <T>(body: (database: Database) => Promise<T>): Promise<T> =>
  withOwner(cliConfig(), async (url) => {
    orThrow(await checkSchema(url))
    const database = openDatabase(url, { connectionsMax: 1 })
    try {
      return await body(database)
    } finally {
      await closeDatabase(database)
    }
  })
