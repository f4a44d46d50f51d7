import { many, statement, withTransaction } from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import { openCases, resolveCasesAbout, restakeCase } from '#cases/index.ts'

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
     where excluded.decisions >= 10 * told.decisions or told.raised_at < now() - interval '1 day'
    returning code`,
})

const settle = statement({
  name: 'orders.settle_overdue_hand_over',
  params: { merchant: 'text' },
  row: { code: 'text' },
  text: `
    delete from orders.handover_alarm told
     where told.merchant_id = $merchant
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
 * recorded) and an error in the log, whoever looks and however often. It is told again when there are ten
 * times as many and each day, also to somebody who closed it by hand, and closes when none waits any more.
 * Answers whether anything changed.
 */
export async function watchHandOver({ database, merchant, log }: Context): Promise<boolean> {
  const { settled, raised } = await withTransaction(database, async (tx) => {
    const over = await many(tx, settle, { merchant })
    await resolveCasesAbout(tx, merchant, {
      kind: KIND,
      subjects: over.map(({ code }) => subjectOf(code)),
      actor: ACTOR,
      outcome: 'Nothing waits for this cause any more.',
    })
    const codes = (await many(tx, raise, { merchant })).map(({ code }) => code)
    const waiting = codes.length > 0 ? await many(tx, describe, { merchant, codes }) : []
    await tell(tx, merchant, waiting)
    return { settled: over.length, raised: waiting }
  })
  for (const { code, decisions, first_orders } of raised)
    log.error(
      { code: KIND, refusal: code, decisions, first_order_id: first_orders[0] },
      'decisions have waited for the hand-over for more than fifteen minutes',
    )
  return settled + raised.length > 0
}

const subjectOf = (code: string): string => (code === '' ? 'hand-over' : `hand-over:${code}`)

async function tell(tx: Transaction, merchant: string, waiting: readonly Waiting[]): Promise<void> {
  await openCases(
    tx,
    merchant,
    ACTOR,
    waiting.map(({ code, decisions, orders, oldest, first_orders }) => ({
      kind: KIND,
      subjectId: subjectOf(code),
      title: `Decisions on ${orders === 1 ? 'an order wait' : `${orders} orders wait`} for the hand-over to fulfillment (${code === '' ? 'no refusal is recorded' : code}), the oldest since ${oldest.toISOString()}.`,
      evidence: { code, decisions, orders, oldest: oldest.toISOString(), first_orders },
      dueHours: 1,
    })),
  )
  for (const { code, amount, currency } of waiting) {
    if (amount !== null && currency !== null)
      await restakeCase(
        tx,
        merchant,
        { kind: KIND, subject: subjectOf(code) },
        { amount, currency },
      )
  }
}
