import { many, read, statement } from '#platform/index.ts'
import type { Database, Transaction } from '#platform/index.ts'
import { FLAGS, RETIRED_FLAGS } from './flag.ts'
import type { FlagKey } from './flag.ts'

/** The last change of one flag. */
export type FlagChange = {
  readonly key: FlagKey
  readonly value: boolean
  readonly version: number
  readonly actor: string
  readonly reason: string
  readonly at: Date
}

const lastChanges = statement({
  name: 'flags.last_changes',
  params: { merchant: 'text' },
  row: {
    key: 'text',
    value: 'bool',
    version: 'int8',
    actor: 'text',
    reason: 'text',
    at: 'timestamptz',
  },
  text: `
    select distinct on (key) key, value, version, actor, reason, at from flags.change
     where merchant_id = $merchant
     order by key, version desc`,
})

/** A flag set: the version it is, and the last change of each flag that was ever changed. */
export type FlagSet = {
  readonly version: number
  readonly changes: ReadonlyMap<FlagKey, FlagChange>
  /** Keys that this build does not know, sorted; 100 at most. */
  readonly unknown: readonly string[]
}

const UNKNOWN_MAX = 100

/** The flag set now, in the snapshot of one statement. */
export async function readFlags(from: Database | Transaction, merchant: string): Promise<FlagSet> {
  const rows =
    'isTransaction' in from
      ? await many(from, lastChanges, { merchant })
      : await read(from, lastChanges, { merchant })
  const changes = new Map<FlagKey, FlagChange>()
  for (const { key, ...row } of rows) if (isFlagKey(key)) changes.set(key, { key, ...row })
  const unknown = rows.map(({ key }) => key).filter((key) => !isFlagKey(key) && !isRetired(key))
  return {
    version: Math.max(0, ...rows.map((row) => row.version)),
    changes,
    unknown: unknown.slice(0, UNKNOWN_MAX),
  }
}

const isRetired = (key: string): boolean => RETIRED_FLAGS.includes(key)

/** True for the key of a flag of this build. */
export function isFlagKey(key: string): key is FlagKey {
  return Object.hasOwn(FLAGS, key)
}
