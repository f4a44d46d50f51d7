import { openCases } from '#cases/index.ts'
import type { NewCase } from '#cases/index.ts'
import { many, statement } from '#platform/index.ts'
import type { Context, NewEvent, RowOf, Transaction } from '#platform/index.ts'
import { count } from '#telemetry/index.ts'

/** A partner's word that it took an order, by a key that does not claim that order in our books. */
export type ToldAcceptance = {
  readonly partner: string
  readonly key: string
  readonly fulfillment: string
  readonly source: 'event' | 'shipment' | 'manifest'
}

// Whose an acceptance is goes by what the dispatches claim, never by the key alone: the partner and the
// key belong to our own dispatch of the order, or they are foreign. One that was given back binds nobody,
// unless its goods leave all the same; one that was refused is foreign where another dispatch has the
// order. A comparison comes again, so that it may wait until ours is accepted; an event does not.
const insertEvidence = statement({
  name: 'fulfillment.insert_acceptance_evidence',
  params: {
    merchant: 'text',
    partners: 'text[]',
    keys: 'text[]',
    fulfillments: 'text[]',
    sources: 'text[]',
  },
  row: {
    fulfillment_id: 'text',
    order_id: 'text',
    generation: 'int4',
    partner_id: 'text',
    dispatch_key: 'text',
    source: 'text',
    our_partner: 'text?',
    our_key: 'text?',
    is_new: 'bool',
  },
  text: `
    with told as materialized (
      select distinct on (u.fulfillment_id, u.partner_id, u.key)
             $merchant as merchant_id, u.partner_id, u.key, u.fulfillment_id, u.source
        from (select unnest($partners) as partner_id, unnest($keys) as key,
                     unnest($fulfillments) as fulfillment_id, unnest($sources) as source) as u
       order by u.fulfillment_id, u.partner_id, u.key, u.source desc
    ), foreign_one as materialized (
      select t.merchant_id, t.fulfillment_id, f.order_id,
             coalesce(c.generation, f.generation) as generation, t.partner_id,
             t.key as dispatch_key, t.source, own.partner_id as our_partner, own.key as our_key
        from told t
        join fulfillment.fulfillment_order f
          on f.merchant_id = t.merchant_id and f.id = t.fulfillment_id
        left join lateral (
          select l.generation, l.state
            from fulfillment.dispatch d
            join fulfillment.line_claim l on l.merchant_id = d.merchant_id and l.dispatch_id = d.id
           where d.merchant_id = t.merchant_id and d.key = t.key and d.partner_id = t.partner_id
             and l.fulfillment_id = t.fulfillment_id) c on true
        left join lateral (
          select d.key, d.partner_id
            from fulfillment.line_claim l
            join fulfillment.dispatch d on d.merchant_id = l.merchant_id and d.id = l.dispatch_id
           where l.merchant_id = f.merchant_id and l.fulfillment_id = f.id
             and l.generation = coalesce(c.generation, f.generation) and l.state = 'live') own on true
       where (c.state is null or c.state = 'rejected' or (c.state = 'recalled' and t.source = 'shipment'))
         and (t.source <> 'manifest' or f.state in ('accepted', 'shipped', 'delivered'))
    ), kept as (
      insert into fulfillment.acceptance_evidence
        (merchant_id, fulfillment_id, generation, partner_id, dispatch_key, source)
      select o.merchant_id, o.fulfillment_id, o.generation, o.partner_id, o.dispatch_key, o.source
        from foreign_one o
       where o.our_key is not null
         -- One acceptance is of one generation, also where it is told of again in the next.
         and not exists (select from fulfillment.acceptance_evidence e
                          where e.merchant_id = o.merchant_id and e.fulfillment_id = o.fulfillment_id
                            and e.partner_id = o.partner_id and e.dispatch_key = o.dispatch_key)
       order by o.fulfillment_id, o.partner_id, o.dispatch_key
          on conflict do nothing
      returning fulfillment_id, partner_id, dispatch_key
    )
    select o.fulfillment_id, o.order_id, o.generation, o.partner_id, o.dispatch_key, o.source,
           o.our_partner, o.our_key, k.fulfillment_id is not null as is_new
      from foreign_one o
      left join kept k on k.fulfillment_id = o.fulfillment_id and k.partner_id = o.partner_id
       and k.dispatch_key = o.dispatch_key
     where k.fulfillment_id is not null or o.our_key is null
     order by o.fulfillment_id, o.partner_id, o.dispatch_key`,
})

type Row = RowOf<typeof insertEvidence.row>

/** What was found: acceptances kept for the first time, and those of orders that no dispatch of ours has. */
export type FoundAcceptances = {
  readonly events: readonly NewEvent[]
  readonly second: readonly Row[]
  readonly unclaimed: readonly Row[]
}

/** Cases and rows that are written at once. */
const CHUNK = 1_000

/**
 * Keeps acceptances of orders that another dispatch of ours has, each once by order, generation, partner
 * and key, with a `double_ship` case; answers those that are new. Nothing is asked where none is told. The
 * caller appends `events` and, after its commit, tells what was found with `tellAcceptances`.
 */
export async function recordAcceptances(
  tx: Transaction,
  merchant: string,
  told: readonly ToldAcceptance[],
): Promise<FoundAcceptances> {
  const found: Row[] = []
  // In one order for everybody: two that keep the same evidence wait for each other and do not lock up.
  const sorted = told.toSorted((a, b) => (a.fulfillment < b.fulfillment ? -1 : 1))
  for (let from = 0; from < sorted.length; from += CHUNK) {
    const some = sorted.slice(from, from + CHUNK)
    const rows = await many(tx, insertEvidence, {
      merchant,
      partners: some.map((one) => one.partner),
      keys: some.map((one) => one.key),
      fulfillments: some.map((one) => one.fulfillment),
      sources: some.map((one) => one.source),
    })
    const cases = rows.filter((row) => row.is_new).map(caseOf)
    await openCases(tx, merchant, 'fulfillment', cases)
    found.push(...rows)
  }
  const second = found.filter((row) => row.is_new)
  const events = second.map((row) => ({
    subjectId: row.fulfillment_id,
    kind: 'double_ship_suspected',
    data: { order_id: row.order_id, reason: REASON, ...evidenceOf(row) },
  }))
  return { events, second, unclaimed: found.filter((row) => !row.is_new) }
}

const REASON = 'accepted_twice'

/** Counts and logs what a committed transaction found. */
export function tellAcceptances(context: Context, found: FoundAcceptances): void {
  const { second, unclaimed } = found
  if (second.length > 0) count('webhook_duplicate_dispatches_total', {}, second.length)
  for (const row of second) {
    const fields = { order_id: row.order_id, fulfillment_id: row.fulfillment_id, reason: REASON }
    context.log.error(
      { ...fields, ...evidenceOf(row) },
      'page: a partner accepted an order that our books have by another dispatch',
    )
  }
  for (const row of unclaimed) {
    // A parcel and a comparison have words of their own for it.
    if (row.source !== 'event') continue
    context.log.error(
      { order_id: row.order_id, fulfillment_id: row.fulfillment_id, ...evidenceOf(row) },
      'a partner accepted an order that no dispatch of ours has',
    )
  }
}

function evidenceOf(row: Row) {
  return {
    generation: row.generation,
    source: row.source,
    partner_id: row.partner_id,
    dispatch_key: row.dispatch_key,
    our_partner: row.our_partner,
    our_key: row.our_key,
  }
}

function caseOf(row: Row): NewCase {
  return {
    kind: 'double_ship',
    subjectId: row.fulfillment_id,
    orderId: row.order_id,
    partnerId: row.partner_id,
    title: 'A partner accepted an order that our books have by another dispatch.',
    evidence: { reason: REASON, ...evidenceOf(row) },
    dueHours: 1,
  }
}
