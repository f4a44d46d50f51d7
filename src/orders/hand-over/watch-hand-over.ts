import { many, statement, withTransaction } from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import { openCases, resolveCasesAbout } from '#cases/index.ts'
import type { NewCase } from '#cases/index.ts'

const ACTOR = 'overdue'
const KIND = 'overdue_handover'

const IS_OVERDUE = `q.merchant_id = $merchant and q.recorded_at < now() - interval '15 minutes'`
const CODE = `coalesce(q.last_code, '')`

// A row that a transaction writes before it tells: whoever comes second waits, and has nothing to write.
const raise = statement({
  name: 'orders.raise_overdue_hand_over',
  params: { merchant: 'text' },
  row: { code: 'text' },
  text: `
    insert into orders.handover_alarm as told (merchant_id, code, decisions)
    select $merchant, ${CODE}, count(*) from orders.handover_outbox q
     where ${IS_OVERDUE}
     group by 2
     order by 2
        on conflict (merchant_id, code) do update
       set decisions = excluded.decisions, raised_at = now()
     where told.raised_at < now() - interval '1 day'
    returning code`,
})

// How many there were when it was told follows what waits by tens, up and down: one that is left of five
// thousand must not hide the next thousand.
const follow = statement({
  name: 'orders.follow_overdue_hand_over',
  params: { merchant: 'text' },
  row: { code: 'text', is_grown: 'bool' },
  text: `
    with held as materialized (
      select merchant_id, code, decisions from orders.handover_alarm
       where merchant_id = $merchant
       order by code
         for update
    ), waiting as materialized (
      select ${CODE} as code, count(*) as decisions from orders.handover_outbox q
       where ${IS_OVERDUE}
       group by 1
    )
    update orders.handover_alarm told
       set decisions = w.decisions, raised_at = now()
      from held h
      join waiting w on w.code = h.code
     where told.merchant_id = h.merchant_id and told.code = h.code
       and (w.decisions >= 10 * h.decisions or w.decisions * 10 <= h.decisions)
    returning told.code, w.decisions > h.decisions as is_grown`,
})

// Not before a quarter of an hour: a code that changes with each refusal would open and close cases.
const settle = statement({
  name: 'orders.settle_overdue_hand_over',
  params: { merchant: 'text' },
  row: { code: 'text' },
  text: `
    delete from orders.handover_alarm told
     where told.merchant_id = $merchant and told.raised_at < now() - interval '15 minutes'
       and not exists (select from orders.handover_outbox q
                        where ${IS_OVERDUE} and ${CODE} = told.code)
    returning code`,
})

// An order is told once, however many of its decisions wait; the money, where all of it is in one currency.
const describe = statement({
  name: 'orders.describe_overdue_hand_over',
  params: { merchant: 'text', codes: 'text[]' },
  row: {
    code: 'text',
    decisions: 'int8',
    orders: 'int8',
    oldest: 'timestamptz',
    first_orders: 'text[]',
    amount: 'int8?',
    currency: 'text?',
  },
  text: `
    with waiting as materialized (
      select ${CODE} as code, q.order_id, count(*) as decisions, min(q.recorded_at) as since
        from orders.handover_outbox q
       where ${IS_OVERDUE} and ${CODE} = any($codes)
       group by 1, 2
    )
    select w.code, sum(w.decisions)::int8 as decisions, count(*) as orders, min(w.since) as oldest,
           (array_agg(w.order_id order by w.since, w.order_id))[1:10] as first_orders,
           case when count(distinct o.currency) = 1 then sum(o.goods_minor)::int8 end as amount,
           case when count(distinct o.currency) = 1 then min(o.currency) end as currency
      from waiting w
      join orders."order" o on o.merchant_id = $merchant and o.id = w.order_id
     group by w.code
     order by w.code`,
})

type Waiting = RowOf<typeof describe.row>

/**
 * One look at the hand-over: decisions that have waited for it for more than fifteen minutes, because
 * fulfillment does not answer or refuses them, become one case for each code of a refusal (none where none is
 * recorded) and an error in the log, whoever looks and however often. At ten times as many a new case takes
 * the place of the old one; one that somebody closed by hand opens again after a day; and it closes by
 * itself when none waits any more. Answers whether anything changed.
 */
export async function watchHandOver({ database, merchant, log }: Context): Promise<boolean> {
  const { closed, told } = await withTransaction(database, async (tx) => {
    const over = codesOf(await many(tx, settle, { merchant }))
    await close(tx, merchant, over, 'Nothing waits for this cause any more.')
    const followed = await many(tx, follow, { merchant })
    const grown = codesOf(followed.filter((one) => one.is_grown))
    await close(tx, merchant, grown, 'Ten times as many wait by now: told anew.')
    const codes = [...grown, ...codesOf(await many(tx, raise, { merchant }))]
    const waiting = codes.length > 0 ? await many(tx, describe, { merchant, codes }) : []
    await openCases(tx, merchant, ACTOR, waiting.map(caseOf))
    return { closed: over, told: waiting }
  })
  for (const { code, decisions, first_orders } of told)
    log.error(
      { code: KIND, refusal: code, decisions, first_order_id: first_orders[0] },
      'decisions have waited for the hand-over for more than fifteen minutes',
    )
  return closed.length + told.length > 0
}

const codesOf = (rows: readonly { readonly code: string }[]): readonly string[] =>
  rows.map(({ code }) => code)
const subjectOf = (code: string): string => (code === '' ? 'hand-over' : `hand-over:${code}`)

async function close(
  tx: Transaction,
  merchant: string,
  codes: readonly string[],
  outcome: string,
): Promise<void> {
  const subjects = codes.map(subjectOf)
  await resolveCasesAbout(tx, merchant, { kind: KIND, subjects, actor: ACTOR, outcome })
}

function caseOf(waiting: Waiting): NewCase {
  const { code, decisions, orders, oldest, first_orders, amount, currency } = waiting
  const [of, why] = [
    orders === 1 ? 'an order wait' : `${orders} orders wait`,
    code === '' ? 'no refusal is recorded' : code,
  ]
  return {
    kind: KIND,
    subjectId: subjectOf(code),
    title: `Decisions on ${of} for the hand-over to fulfillment (${why}), the oldest since ${oldest.toISOString()}.`,
    evidence: { code, decisions, orders, oldest: oldest.toISOString(), first_orders },
    dueHours: 1,
    ...(amount !== null && currency !== null ? { money: { amount, currency } } : {}),
  }
}
