import { canonicalJson, newId, sha256 } from '#kernel/index.ts'
import type { CanonicalValue } from '#kernel/index.ts'
import { appendEvents, change, many, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import type { CaseKind } from './case.ts'

/** Something that a person must look into, with what was seen. Money is in minor units. */
export type NewCase = {
  readonly kind: CaseKind
  /** The thing it is about: a fulfillment order, SKU, shipment or invoice line. */
  readonly subjectId: string
  readonly orderId?: string
  readonly partnerId?: string
  /** One plain sentence. */
  readonly title: string
  readonly money?: { readonly amount: number; readonly currency: string }
  readonly evidence: Readonly<Record<string, CanonicalValue>>
  /** Hours until somebody should have answered; 24 where absent. */
  readonly dueHours?: number
}

const insertCases = statement({
  name: 'cases.insert_cases',
  params: {
    merchant: 'text',
    ids: 'text[]',
    kinds: 'text[]',
    subjects: 'text[]',
    orders: 'text[]',
    partners: 'text[]',
    titles: 'text[]',
    amounts: 'int8[]',
    currencies: 'text[]',
    due: 'int4[]',
    actor: 'text',
  },
  row: { id: 'text', kind: 'text', subject_id: 'text' },
  text: `
    insert into cases."case" (merchant_id, id, kind, subject_id, order_id, partner_id, title,
        money_minor, currency, opened_by, due_at)
    select $merchant, c.id, c.kind, c.subject, nullif(c.order_id, ''), nullif(c.partner, ''), c.title,
           case when c.currency <> '' then c.amount end, nullif(c.currency, ''), $actor,
           now() + make_interval(hours => c.due)
      from (select unnest($ids) as id, unnest($kinds) as kind, unnest($subjects) as subject,
                   unnest($orders) as order_id, unnest($partners) as partner, unnest($titles) as title,
                   unnest($amounts) as amount, unnest($currencies) as currency, unnest($due) as due) as c
     order by c.kind, c.subject
        on conflict (merchant_id, kind, subject_id) where state = 'open' do nothing
    returning id, kind, subject_id`,
})

const selectOpen = statement({
  name: 'cases.select_open_cases',
  params: { merchant: 'text', kinds: 'text[]', subjects: 'text[]' },
  row: { id: 'text', kind: 'text', subject_id: 'text' },
  text: `
    select c.id, c.kind, c.subject_id
      from (select unnest($kinds) as kind, unnest($subjects) as subject) as a
      join cases."case" c on c.merchant_id = $merchant and c.kind = a.kind
       and c.subject_id = a.subject and c.state = 'open'`,
})

/** Appends to the history of cases; the same content is kept once. */
export const insertEntries = statement({
  name: 'cases.insert_entries',
  params: {
    merchant: 'text',
    cases: 'text[]',
    ids: 'text[]',
    kinds: 'text[]',
    actor: 'text',
    texts: 'text[]',
    data: 'text[]',
    digests: 'bytea[]',
  },
  text: `
    insert into cases.entry (merchant_id, case_id, id, kind, actor, text, data, content_sha256)
    select $merchant, e.case_id, e.id, e.kind, $actor, e.text, e.data::jsonb, e.digest
      from (select unnest($cases) as case_id, unnest($ids) as id, unnest($kinds) as kind,
                   unnest($texts) as text, unnest($data) as data, unnest($digests) as digest) as e
        on conflict do nothing`,
})

/**
 * Opens cases in the transaction of what they tell of, or adds the evidence to the one that is open
 * for the same kind and subject: seen twice is one case. At most 1,000 at once. Answers the ids in the
 * order given; `isNew` where the case was not open before.
 */
export async function openCases(
  tx: Transaction,
  merchant: string,
  actor: string,
  cases: readonly NewCase[],
): Promise<readonly { readonly id: string; readonly isNew: boolean }[]> {
  if (cases.length === 0) return []
  const subjects = cases.map((one) => one.subjectId)
  const kinds = cases.map((one) => one.kind)
  const opened = await many(tx, insertCases, {
    merchant,
    actor,
    ids: cases.map(() => newId('cas')),
    kinds,
    subjects,
    orders: cases.map((one) => one.orderId ?? ''),
    partners: cases.map((one) => one.partnerId ?? ''),
    titles: cases.map((one) => one.title),
    amounts: cases.map((one) => one.money?.amount ?? 0),
    currencies: cases.map((one) => one.money?.currency ?? ''),
    due: cases.map((one) => one.dueHours ?? 24),
  })
  const open = await many(tx, selectOpen, { merchant, kinds, subjects })
  const idOf = new Map(open.map((row) => [`${row.kind} ${row.subject_id}`, row.id]))
  const ids = cases.map((one) => idOf.get(`${one.kind} ${one.subjectId}`) ?? '')
  await appendEvidence(tx, { merchant, actor }, cases, ids)
  const fresh = new Set(opened.map((row) => row.id))
  await appendEvents(
    tx,
    merchant,
    opened.map((row) => ({
      subjectId: row.id,
      kind: 'case.opened',
      data: { kind: row.kind, about: row.subject_id },
    })),
  )
  return ids.map((id) => ({ id, isNew: fresh.has(id) }))
}

async function appendEvidence(
  tx: Transaction,
  { merchant, actor }: { readonly merchant: string; readonly actor: string },
  cases: readonly NewCase[],
  ids: readonly string[],
): Promise<void> {
  const data = cases.map((one) => canonicalJson({ ...one.evidence }))
  await change(tx, insertEntries, {
    merchant,
    actor,
    cases: ids,
    ids: ids.map(() => newId('cse')),
    kinds: ids.map(() => 'evidence'),
    texts: cases.map((one) => one.title),
    data,
    digests: data.map((text) => sha256(`evidence ${text}`)),
  })
}
