import { change, maybe, statement, withTransaction } from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import { openCases, resolveCasesAbout } from '#cases/index.ts'

const ACTOR = 'overdue'
const KIND = 'overdue_handover'
const SUBJECT = 'hand-over'

const IS_OVERDUE = `merchant_id = $merchant and recorded_at < now() - interval '15 minutes'`

const raise = statement({
  name: 'orders.raise_overdue_hand_over',
  params: { merchant: 'text' },
  text: `
    insert into orders.handover_alarm (merchant_id)
    select $merchant where exists (select from orders.handover_outbox where ${IS_OVERDUE})
    on conflict do nothing`,
})

const settle = statement({
  name: 'orders.settle_overdue_hand_over',
  params: { merchant: 'text' },
  text: `
    delete from orders.handover_alarm
     where merchant_id = $merchant
       and not exists (select from orders.handover_outbox where ${IS_OVERDUE})`,
})

// The money is told where all of it is in one currency.
const describe = statement({
  name: 'orders.describe_overdue_hand_over',
  params: { merchant: 'text' },
  row: {
    decisions: 'int8',
    oldest: 'timestamptz',
    first_orders: 'text[]',
    codes: 'text[]',
    amount: 'int8?',
    currency: 'text?',
  },
  text: `
    with waiting as materialized (
      select order_id, recorded_at, last_code from orders.handover_outbox where ${IS_OVERDUE}
    )
    select count(*) as decisions, coalesce(min(w.recorded_at), now()) as oldest,
           coalesce((array_agg(w.order_id order by w.recorded_at, w.order_id))[1:10], '{}') as first_orders,
           coalesce(array_agg(distinct w.last_code) filter (where w.last_code is not null), '{}') as codes,
           case when count(distinct o.currency) = 1 then sum(o.goods_minor)::int8 end as amount,
           case when count(distinct o.currency) = 1 then min(o.currency) end as currency
      from waiting w
      join orders."order" o on o.merchant_id = $merchant and o.id = w.order_id`,
})

type Waiting = RowOf<typeof describe.row>

/**
 * One look at the hand-over: decisions that have waited for it for more than fifteen minutes, because
 * fulfillment does not answer or refuses them, become one case and an error in the log, whoever looks and
 * however often. When none of them waits any more the case closes. Answers whether anything changed.
 */
export async function watchHandOver({ database, merchant, log }: Context): Promise<boolean> {
  const raised = await withTransaction(database, async (tx) => {
    if ((await change(tx, settle, { merchant })) === 1) {
      const outcome = 'All of them were handed over, or withdrawn.'
      const about = { kind: KIND, subjects: [SUBJECT], actor: ACTOR, outcome }
      await resolveCasesAbout(tx, merchant, about)
      return 'settled'
    }
    if ((await change(tx, raise, { merchant })) === 0) return undefined
    return maybe(tx, describe, { merchant }).then((row) => row && tell(tx, merchant, row))
  })
  if (raised !== undefined && raised !== 'settled')
    log.error(
      { code: KIND, decisions: raised.decisions, first_order_id: raised.first_orders[0] },
      'decisions have waited for the hand-over for more than fifteen minutes',
    )
  return raised !== undefined
}

async function tell(tx: Transaction, merchant: string, waiting: Waiting): Promise<Waiting> {
  const { decisions, oldest, first_orders, codes, amount, currency } = waiting
  const why = codes.length > 0 ? codes.join(', ') : 'fulfillment does not answer'
  await openCases(tx, merchant, ACTOR, [
    {
      kind: KIND,
      subjectId: SUBJECT,
      title: `${decisions} decisions wait for the hand-over to fulfillment (${why}), the oldest since ${oldest.toISOString()}.`,
      evidence: { decisions, oldest: oldest.toISOString(), first_orders, codes },
      dueHours: 1,
      ...(amount !== null && currency !== null ? { money: { amount, currency } } : {}),
    },
  ])
  return waiting
}
