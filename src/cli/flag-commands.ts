import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow, refuse } from '#kernel/index.ts'
import { FLAGS, isFlagKey, readFlags, setFlag } from '#flags/index.ts'
import type { FlagKey, FlagSet } from '#flags/index.ts'
import { addCommand, addGroup } from './command.ts'
import { table, time } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

/** `flags list|get|set`. */
export function addFlagCommands(program: Command): void {
  const group = addGroup(program, 'flags', 'switches that a guard watches; every change is audited')
  addCommand(group, {
    usage: 'list',
    summary: 'every flag, its value and its last change',
    example: 'holdfast flags list',
    input: z.object({}),
    run: () =>
      withInstallation(async ({ context }) => {
        const set = await readFlags(context.database, context.merchant)
        const flags = Object.keys(FLAGS)
          .filter(isFlagKey)
          .map((key) => flagJson(key, set))
        return { json: { version: set.version, flags }, text: flagTable(flags) }
      }),
  })
  addCommand(group, {
    usage: 'get <key>',
    summary: 'one flag',
    example: 'holdfast flags get order_auto_approval_enabled',
    input: z.object({ key: z.string() }),
    run: ({ key }) =>
      withInstallation(async ({ context }) => {
        const known = orThrow(
          isFlagKey(key) ? { ok: true, value: key } : refuse('flag_unknown', `No flag ${key}.`),
        )
        const flag = flagJson(known, await readFlags(context.database, context.merchant))
        return { json: flag, text: flagTable([flag]) }
      }),
  })
  addCommand(group, {
    usage: 'set <key> <value>',
    summary: 'set a flag to on or off; running roles follow within a second',
    example: 'holdfast flags set batch_retry_enabled off --reason "partner migrates tonight"',
    options: [['--reason <text>', 'why; the audit table keeps it']],
    input: z.object({
      key: z.string(),
      value: z.enum(['on', 'off', 'true', 'false']),
      reason: z.string('says why the flag is set').min(1),
    }),
    run: ({ key, value, reason }) =>
      withInstallation(async ({ context }) => {
        const isOn = value === 'on' || value === 'true'
        const set = orThrow(await setFlag(context, { key, value: isOn, actor: cliActor(), reason }))
        const words = set.isChanged ? 'is now' : 'was already'
        return {
          json: { key: set.key, value: set.value, version: set.version, changed: set.isChanged },
          text: `${set.key} ${words} ${set.value ? 'on' : 'off'}.`,
        }
      }),
  })
}

function flagJson(key: FlagKey, set: FlagSet) {
  const last = set.changes.get(key)
  return {
    key,
    value: last?.value ?? FLAGS[key].initial,
    safe: FLAGS[key].safe,
    actor: last?.actor ?? null,
    reason: last?.reason ?? null,
    at: last?.at ?? null,
  }
}

function flagTable(flags: readonly ReturnType<typeof flagJson>[]): string {
  return table(
    ['FLAG', 'VALUE', 'SAFE SIDE', 'CHANGED', 'BY', 'REASON'],
    flags.map((one) => [
      one.key,
      onOff(one.value),
      onOff(one.safe),
      time(one.at),
      one.actor,
      one.reason,
    ]),
  )
}

const onOff = (value: boolean): string => (value ? 'on' : 'off')
