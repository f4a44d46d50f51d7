import { jsonOf, read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'

const CASE = {
  id: 'text',
  kind: 'text',
  subject_id: 'text',
  order_id: 'text?',
  partner_id: 'text?',
  title: 'text',
  state: 'text',
  owner: 'text?',
  money_minor: 'int8?',
  currency: 'text?',
  opened_by: 'text',
  opened_at: 'timestamptz',
  due_at: 'timestamptz',
  is_overdue: 'bool',
  resolved_at: 'timestamptz?',
} as const
const COLUMNS = `c.id, c.kind, c.subject_id, c.order_id, c.partner_id, c.title, c.state, c.owner,
  c.money_minor, c.currency, c.opened_by, c.opened_at, c.due_at,
  c.state = 'open' and c.due_at < now() as is_overdue, c.resolved_at`

const selectCases = statement({
  name: 'cases.select_cases',
  params: {
    merchant: 'text',
    state: 'text?',
    kind: 'text?',
    owner: 'text?',
    partner: 'text?',
    due_before: 'timestamptz?',
    after: 'text?',
    limit: 'int4',
  },
  row: CASE,
  text: `
    select ${COLUMNS} from cases."case" c
     where c.merchant_id = $merchant and ($state is null or c.state = $state)
       and ($kind is null or c.kind = $kind)
       and ($owner is null or coalesce(c.owner, 'nobody') = $owner)
       and ($partner is null or c.partner_id = $partner)
       and ($due_before is null or c.due_at < $due_before)
       and ($after is null or (c.due_at, c.id) >
             (select a.due_at, a.id from cases."case" a where a.merchant_id = $merchant and a.id = $after))
     order by c.due_at, c.id
     limit $limit`,
})

const selectCase = statement({
  name: 'cases.select_case',
  params: { merchant: 'text', id: 'text' },
  row: CASE,
  text: `select ${COLUMNS} from cases."case" c where c.merchant_id = $merchant and c.id = $id`,
})

const selectOfOrder = statement({
  name: 'cases.select_cases_of_order',
  params: { merchant: 'text', order: 'text' },
  row: CASE,
  text: `
    select ${COLUMNS} from cases."case" c
     where c.merchant_id = $merchant and c.order_id = $order
     order by c.opened_at, c.id
     limit 1000`,
})

const selectEntries = statement({
  name: 'cases.select_entries',
  params: { merchant: 'text', case: 'text' },
  row: {
    id: 'text',
    kind: 'text',
    actor: 'text',
    text: 'text',
    data: jsonOf<Readonly<Record<string, unknown>>>('shown as it stands: nothing is decided by it'),
    at: 'timestamptz',
  },
  text: `
    select id, kind, actor, text, data, at from cases.entry
     where merchant_id = $merchant and case_id = $case
     order by at, id
     limit 1000`,
})

const selectTotals = statement({
  name: 'cases.select_open_totals',
  params: { merchant: 'text' },
  row: {
    kind: 'text',
    currency: 'text?',
    open: 'int8',
    overdue: 'int8',
    money_minor: 'int8',
    oldest_s: 'float8',
  },
  text: `
    select kind, currency, count(*) as open, count(*) filter (where due_at < now()) as overdue,
           coalesce(sum(money_minor), 0)::int8 as money_minor,
           extract(epoch from now() - min(opened_at))::float8 as oldest_s
      from cases."case"
     where merchant_id = $merchant and state = 'open'
     group by kind, currency
     order by kind, currency`,
})

/** A case as lists show it; money at stake in minor units of its currency. */
export type CaseRow = RowOf<typeof CASE>
/** One entry of its history: evidence, a note, a change of owner or the resolution. */
export type CaseEntry = RowOf<typeof selectEntries.row>
/** What is open of one kind in one currency; `currency` null where no money is at stake. */
export type CaseTotal = RowOf<typeof selectTotals.row>

/** Which cases; `owner` 'nobody' stands for those without one. What is absent is not asked. */
export type CaseFilter = {
  readonly state?: string | undefined
  readonly kind?: string | undefined
  readonly owner?: string | undefined
  readonly partner?: string | undefined
  readonly dueBefore?: Date | undefined
  readonly after?: string | undefined
  readonly limit: number
}

/** A page of cases, the one that is due first at the top; `after` is the last id of the page before. */
export async function listCases(
  database: Database,
  merchant: string,
  filter: CaseFilter,
): Promise<readonly CaseRow[]> {
  return read(database, selectCases, {
    merchant,
    state: filter.state ?? null,
    kind: filter.kind ?? null,
    owner: filter.owner ?? null,
    partner: filter.partner ?? null,
    due_before: filter.dueBefore ?? null,
    after: filter.after ?? null,
    limit: filter.limit,
  })
}

/** One case, or undefined. */
export async function findCase(
  database: Database,
  merchant: string,
  id: string,
): Promise<CaseRow | undefined> {
  return (await read(database, selectCase, { merchant, id }))[0]
}

/** The history of a case, oldest first, at most its first 1,000 entries. */
export async function caseEntries(
  database: Database,
  merchant: string,
  id: string,
): Promise<readonly CaseEntry[]> {
  return read(database, selectEntries, { merchant, case: id })
}

/** Every case about an order, oldest first. */
export async function casesOfOrder(
  database: Database,
  merchant: string,
  order: string,
): Promise<readonly CaseRow[]> {
  return read(database, selectOfOrder, { merchant, order })
}

/** Open cases by kind and currency, with the money at stake and the age of the oldest in seconds. */
export async function openCaseTotals(
  database: Database,
  merchant: string,
): Promise<readonly CaseTotal[]> {
  return read(database, selectTotals, { merchant })
}
