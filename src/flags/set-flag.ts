import { accept, invariant, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, change, maybe, sqlState, statement, transact } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { FLAGS } from './flag.ts'
import type { FlagKey } from './flag.ts'
import { isFlagKey, readFlags } from './read-flags.ts'

/** A flag as it stands after a change; `isChanged` is false where it had that value already. */
export type SetFlag = {
  readonly key: FlagKey
  readonly value: boolean
  readonly version: number
  readonly isChanged: boolean
}

type Wanted = {
  readonly key: string
  readonly value: boolean
  readonly actor: string
  readonly reason: string
}

/** Channel on which a committed change is told; the payload is the version. */
export const FLAGS_CHANNEL = 'holdfast_flags'
const ATTEMPTS_MAX = 50
const UNIQUE_VIOLATION = '23505'

const insertChange = statement({
  name: 'flags.insert_change',
  params: {
    merchant: 'text',
    version: 'int8',
    key: 'text',
    value: 'bool',
    actor: 'text',
    reason: 'text',
  },
  text: `
    insert into flags.change (merchant_id, version, key, value, actor, reason)
    values ($merchant, $version, $key, $value, $actor, $reason)`,
})

const tellChange = statement({
  name: 'flags.tell_change',
  params: { channel: 'text', version: 'text' },
  row: { told: 'int4' },
  text: `select count(*)::int4 as told from pg_notify($channel, $version)`,
})

const instanceKind = statement({
  name: 'flags.instance_kind',
  params: {},
  row: { kind: 'text' },
  text: `select kind from platform.instance`,
})

/**
 * Sets a flag: one row more in the append-only history, with its audit row. Refuses `flag_unknown`,
 * and `flag_refused` where a guard stands before that value.
 */
export async function setFlag(context: Context, wanted: Wanted): Promise<Outcome<SetFlag>> {
  const { key } = wanted
  if (!isFlagKey(key)) return refuse('flag_unknown', 'No flag has that key.')
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transact(context.database, (tx) =>
        recordChange(tx, context.merchant, { ...wanted, key }),
      )
    } catch (fault) {
      // Another change took this version: the primary key is the lock, and the next try reads anew.
      if (sqlState(fault) !== UNIQUE_VIOLATION || attempt >= ATTEMPTS_MAX) throw fault
    }
  }
}

async function recordChange(
  tx: Transaction,
  merchant: string,
  wanted: Wanted & { readonly key: FlagKey },
): Promise<Outcome<SetFlag>> {
  const { key, value, actor, reason } = wanted
  const instance = await maybe(tx, instanceKind, {})
  invariant(instance, 'the instance row exists')
  const guarded = guard(key, value, instance.kind)
  if (!guarded.ok) return guarded
  const set = await readFlags(tx, merchant)
  const before = set.changes.get(key)?.value ?? FLAGS[key].initial
  if (before === value) return accept({ key, value, version: set.version, isChanged: false })
  const version = set.version + 1
  await change(tx, insertChange, { merchant, version, key, value, actor, reason })
  await appendAudit(tx, merchant, {
    actor,
    action: 'flags.changed',
    subjectId: key,
    reason,
    before: { value: before },
    after: { value, version },
  })
  await maybe(tx, tellChange, { channel: FLAGS_CHANNEL, version: String(version) })
  return accept({ key, value, version, isChanged: true })
}

function guard(key: FlagKey, value: boolean, instance: string): Outcome<undefined> {
  if (key === 'idempotency_key_format_v2' && value && instance !== 'lab') {
    return refuse(
      'flag_refused',
      'A key with a timestamp changes at each retry, so a retry becomes a second parcel. Lab only.',
    )
  }
  if (key === 'order_hold_for_review_enabled' && !value) {
    return refuse(
      'flag_refused',
      'Switching review off needs two people and an expiry within 24 hours: not built yet.',
    )
  }
  return accept(undefined)
}
