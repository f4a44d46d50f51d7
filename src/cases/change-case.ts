import { accept, newId, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import {
  appendAudit,
  appendEvents,
  change,
  many,
  maybe,
  statement,
  transact,
} from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { insertEntries } from './open-cases.ts'

const lockCase = statement({
  name: 'cases.lock_case',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text', state: 'text', owner: 'text?', due_at: 'timestamptz' },
  text: `
    select id, state, owner, due_at from cases."case"
     where merchant_id = $merchant and id = $id
       for update`,
})

const setOwner = statement({
  name: 'cases.set_owner',
  params: { merchant: 'text', id: 'text', owner: 'text', due: 'timestamptz?' },
  text: `
    update cases."case" set owner = $owner, due_at = coalesce($due, due_at)
     where merchant_id = $merchant and id = $id and state = 'open'`,
})

const closeCase = statement({
  name: 'cases.resolve_case',
  params: { merchant: 'text', id: 'text' },
  text: `
    update cases."case" set state = 'resolved', resolved_at = now()
     where merchant_id = $merchant and id = $id and state = 'open'`,
})

const setStake = statement({
  name: 'cases.set_stake',
  params: { merchant: 'text', kind: 'text', subject: 'text', amount: 'int8', currency: 'text' },
  text: `
    update cases."case" set money_minor = $amount, currency = $currency
     where merchant_id = $merchant and kind = $kind and subject_id = $subject and state = 'open'
       and (money_minor, currency) is distinct from ($amount, $currency)`,
})

const selectEntry = statement({
  name: 'cases.select_entry_by_content',
  params: { merchant: 'text', case: 'text', digest: 'bytea' },
  row: { text: 'text' },
  text: `
    select text from cases.entry
     where merchant_id = $merchant and case_id = $case and content_sha256 = $digest`,
})

const selectAbout = statement({
  name: 'cases.select_open_about',
  params: { merchant: 'text', kind: 'text', subjects: 'text[]' },
  row: { id: 'text' },
  text: `
    select id from cases."case"
     where merchant_id = $merchant and kind = $kind and subject_id = any($subjects) and state = 'open'
     order by id
       for update`,
})

/**
 * Who changes which case. With a `key` (the Idempotency-Key of a request) the same change again is
 * the first one, and another text under it is refused.
 */
export type CaseChange = {
  readonly case: string
  readonly actor: string
  readonly key?: string | undefined
}

/** Whether something was written; false where the same change had been made before. */
export type CaseChanged = { readonly wasNew: boolean }

/** Adds a note. Refused: `case_unknown`, `idempotency_key_reused`. */
export async function noteCase(
  context: Context,
  input: CaseChange & { readonly text: string },
): Promise<Outcome<CaseChanged>> {
  return transact(context.database, async (tx) => {
    const one = await lock(tx, context.merchant, input.case)
    if (!one.ok) return one
    const added = await append(tx, context.merchant, { ...input, kind: 'note' })
    if (added.ok && added.value.wasNew) {
      const event = { subjectId: input.case, kind: 'case.noted', data: { actor: input.actor } }
      await appendEvents(tx, context.merchant, [event])
    }
    return added
  })
}

/**
 * Gives an open case to somebody, with another due time where one is given. Refused: `case_unknown`,
 * `case_closed`, `idempotency_key_reused`.
 */
export async function assignCase(
  context: Context,
  input: CaseChange & { readonly owner: string; readonly dueAt?: Date | undefined },
): Promise<Outcome<CaseChanged>> {
  const { merchant } = context
  return transact(context.database, async (tx) => {
    const one = await lock(tx, merchant, input.case)
    if (!one.ok) return one
    const before = one.value
    if (before.state !== 'open') return closed(input.case)
    const dueAt = input.dueAt ?? before.due_at
    if (before.owner === input.owner && before.due_at.getTime() === dueAt.getTime()) {
      return accept({ wasNew: false })
    }
    // Given back and forth, the same words are a new fact each time.
    const key = input.key ?? newId('cse')
    const text = `${input.owner}, due ${dueAt.toISOString()}`
    const added = await append(tx, merchant, { ...input, key, text, kind: 'assigned' })
    if (!added.ok || !added.value.wasNew) return added
    await change(tx, setOwner, { merchant, id: input.case, owner: input.owner, due: dueAt })
    await appendAudit(tx, merchant, {
      actor: input.actor,
      action: 'case.assign',
      subjectId: input.case,
      before: { owner: before.owner, due_at: before.due_at },
      after: { owner: input.owner, due_at: dueAt },
    })
    return accept({ wasNew: true })
  })
}

/**
 * Closes a case with what came of it. The same outcome by the same actor again changes nothing.
 * Refused: `case_unknown`, `case_closed`, `idempotency_key_reused`.
 */
export async function resolveCase(
  context: Context,
  input: CaseChange & { readonly outcome: string },
): Promise<Outcome<CaseChanged>> {
  const { merchant } = context
  return transact(context.database, async (tx) => {
    const one = await lock(tx, merchant, input.case)
    if (!one.ok) return one
    const { outcome: text, ...who } = input
    const added = await append(tx, merchant, { ...who, text, kind: 'resolved' })
    if (!added.ok || !added.value.wasNew) return added
    if (one.value.state !== 'open') return closed(input.case)
    await close(tx, merchant, { id: input.case, actor: input.actor, outcome: text })
    return accept({ wasNew: true })
  })
}

/**
 * Closes the open cases of a kind about some subjects, in the transaction that settles what they
 * tell of; those that nobody opened are left out. Answers how many were closed.
 */
export async function resolveCasesAbout(
  tx: Transaction,
  merchant: string,
  about: {
    readonly kind: string
    readonly subjects: readonly string[]
    readonly actor: string
    readonly outcome: string
  },
): Promise<number> {
  if (about.subjects.length === 0) return 0
  const { kind, subjects, actor, outcome } = about
  const open = await many(tx, selectAbout, { merchant, kind, subjects })
  for (const { id } of open) {
    await append(tx, merchant, { case: id, actor, text: outcome, kind: 'resolved' })
    await close(tx, merchant, { id, actor, outcome })
  }
  return open.length
}

/** Sets the money at stake in an open case that is about a sum which has changed since. */
export async function restakeCase(
  tx: Transaction,
  merchant: string,
  about: { readonly kind: string; readonly subject: string },
  money: { readonly amount: number; readonly currency: string },
): Promise<void> {
  await change(tx, setStake, { merchant, ...about, ...money })
}

async function lock(tx: Transaction, merchant: string, id: string) {
  const one = await maybe(tx, lockCase, { merchant, id })
  return one ? accept(one) : refuse('case_unknown', `There is no case ${id}.`)
}

const closed = (id: string) => refuse('case_closed', `Case ${id} is resolved.`)

async function append(
  tx: Transaction,
  merchant: string,
  entry: CaseChange & { readonly kind: string; readonly text: string },
): Promise<Outcome<CaseChanged>> {
  const { kind, actor, text, key } = entry
  const content = key === undefined ? ['said', kind, actor, text] : ['key', kind, actor, key]
  const digest = sha256(JSON.stringify(content))
  const added = await change(tx, insertEntries, {
    merchant,
    actor,
    cases: [entry.case],
    ids: [newId('cse')],
    kinds: [kind],
    texts: [text],
    data: ['{}'],
    digests: [digest],
  })
  if (added === 1) return accept({ wasNew: true })
  const first = await maybe(tx, selectEntry, { merchant, case: entry.case, digest })
  if (first?.text === text) return accept({ wasNew: false })
  return refuse('idempotency_key_reused', 'That key was used with another text.')
}

async function close(
  tx: Transaction,
  merchant: string,
  { id, actor, outcome }: { readonly id: string; readonly actor: string; readonly outcome: string },
): Promise<void> {
  await change(tx, closeCase, { merchant, id })
  await appendEvents(tx, merchant, [{ subjectId: id, kind: 'case.resolved', data: { actor } }])
  await appendAudit(tx, merchant, {
    actor,
    action: 'case.resolve',
    subjectId: id,
    reason: outcome,
    before: { state: 'open' },
    after: { state: 'resolved' },
  })
}
