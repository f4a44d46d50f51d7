import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import {
  createApiKey,
  createLogin,
  listApiKeys,
  listAuditEntries,
  revokeApiKey,
  ROLES,
} from '#access/index.ts'
import { SCOPES, transact, withTransaction } from '#platform/index.ts'
import { addCommand, addGroup, limitOption } from './command.ts'
import { table, time } from './format-text.ts'
import { cliActor, cliConfig, withInstallation } from './with-installation.ts'

const ROLE_NAMES = [
  'owner',
  'operator',
  'reviewer',
  'viewer',
] as const satisfies readonly (keyof typeof ROLES)[]

/** `api-keys create|list|revoke`, `console login`, `audit list`. */
export function addAccessCommands(program: Command): void {
  addKeyCommands(addGroup(program, 'api-keys', 'keys for programs, each with its scopes'))
  addCommand(addGroup(program, 'console', 'the operations console'), {
    usage: 'login',
    summary: 'make a login that works once, for 15 minutes',
    example: 'holdfast console login --role reviewer --name ada',
    options: [
      ['--role <role>', `${ROLE_NAMES.join(', ')} (default owner)`],
      ['--name <name>', 'who will log in; you where absent'],
    ],
    input: z.object({
      role: z.enum(ROLE_NAMES).default('owner'),
      name: z
        .string()
        .regex(/^[\w.@-]{1,64}$/, 'letters, digits, . @ _ -, at most 64')
        .optional(),
    }),
    run: ({ role, name }) =>
      withInstallation(async ({ context }) => {
        const { publicUrl, host, httpPort } = cliConfig()
        const actor = `person:${name ?? userInfo().username}`
        const { path } = await withTransaction(context.database, (tx) =>
          createLogin(tx, context.merchant, { actor, role }),
        )
        const url = `${publicUrl ?? `http://${host}:${httpPort}`}${path}`
        return { json: { url, actor, role }, text: url }
      }),
  })
  addCommand(addGroup(program, 'audit', 'who did what, and why'), {
    usage: 'list',
    summary: 'the audit table, newest first',
    example: 'holdfast audit list --limit 50',
    options: [
      ['--limit <n>', 'how many, 1 to 1000 (default 20)'],
      ['--before <id>', 'older than this entry: the last id of the page before'],
    ],
    input: z.object({ limit: limitOption, before: z.string().optional() }),
    run: ({ limit, before }) =>
      withInstallation(async ({ context }) => {
        const entries = await listAuditEntries(context.database, context.merchant, {
          limit,
          before,
        })
        return {
          json: { entries },
          text: table(
            ['AT', 'ACTOR', 'ACTION', 'SUBJECT', 'REASON', 'ID'],
            entries.map((one) => [
              time(one.at),
              one.actor,
              one.action,
              one.subject_id,
              one.reason,
              one.id,
            ]),
          ),
        }
      }),
  })
}

function addKeyCommands(group: Command): void {
  addCommand(group, {
    usage: 'create <name>',
    summary: 'make a key; it is shown once',
    example: 'holdfast api-keys create shop --scopes orders:submit,orders:read',
    options: [['--scopes <names>', `comma-separated: ${SCOPES.join(', ')}`]],
    input: z.object({
      name: z.string().min(1).max(100),
      scopes: z
        .string('names what the key may do')
        .transform((text) => text.split(',').map((one) => one.trim()))
        .pipe(z.array(z.enum(SCOPES))),
    }),
    run: ({ name, scopes }) =>
      withInstallation(async ({ context }) => {
        const maker = { actor: cliActor(), scopes: new Set(SCOPES) }
        const made = orThrow(
          await transact(context.database, (tx) =>
            createApiKey(tx, context.merchant, { name, scopes, maker }),
          ),
        )
        return { json: { ...made, name, scopes }, text: `${made.id}\n${made.key}` }
      }),
  })
  addCommand(group, {
    usage: 'list',
    summary: 'every key, revoked ones too; never the key itself',
    example: 'holdfast api-keys list',
    options: [
      ['--limit <n>', 'how many, 1 to 1000 (default 20)'],
      ['--after <id>', 'made after this key: the last id of the page before'],
    ],
    input: z.object({ limit: limitOption, after: z.string().default('') }),
    run: (page) =>
      withInstallation(async ({ context }) => {
        const keys = await listApiKeys(context.database, context.merchant, page)
        return {
          json: {
            api_keys: keys.map((one) => ({
              id: one.id,
              name: one.name,
              scopes: one.scopes,
              created_by: one.createdBy,
              created_at: one.createdAt,
              revoked_at: one.revokedAt,
            })),
          },
          text: table(
            ['ID', 'NAME', 'SCOPES', 'CREATED', 'BY', 'REVOKED'],
            keys.map((one) => [
              one.id,
              one.name,
              one.scopes.join(','),
              time(one.createdAt),
              one.createdBy,
              time(one.revokedAt),
            ]),
          ),
        }
      }),
  })
  addCommand(group, {
    usage: 'revoke <id>',
    summary: 'revoke a key for ever; running roles follow within 30 seconds',
    example: 'holdfast api-keys revoke key_06bq3…',
    input: z.object({ id: z.string() }),
    run: ({ id }) =>
      withInstallation(async ({ context }) => {
        const revoked = orThrow(
          await transact(context.database, (tx) =>
            revokeApiKey(tx, context.merchant, { id, actor: cliActor() }),
          ),
        )
        return { json: { id: revoked.id, revoked: true }, text: `Revoked ${revoked.id}.` }
      }),
  })
}
