import { statement } from '#platform/index.ts'
import { goodsMinor } from '../goods-value.ts'
import { LANE_IS_CLEAR } from '../reconcile/lane-gate.ts'
import { IS_OPEN } from './line-statements.ts'

/**
 * Takes one dispatch of a partner of which lines are asked back now, unless it is being sent or a recall
 * of it is under way. Nobody else plans for it meanwhile.
 */
export const takeRecallable = statement({
  name: 'fulfillment.take_recallable_dispatch',
  params: { merchant: 'text', partner: 'text' },
  row: {
    id: 'text',
    batch_id: 'text',
    key: 'text',
    state: 'text',
    attempt: 'int4',
    is_settled: 'bool',
    is_frozen: 'bool',
  },
  text: `
    select d.id, d.batch_id, d.key, d.state, d.attempt, d.settled_at is not null as is_settled,
           d.fence_epoch < (select fence_epoch from platform.instance)
             and d.state in ('queued', 'unknown', 'needs_operator', 'quarantined') as is_frozen
      from fulfillment.dispatch d
     where d.merchant_id = $merchant and d.partner_id = $partner and d.state <> 'sending'
       and ${LANE_IS_CLEAR}
       and exists (select from fulfillment.recall_line r
                    where r.merchant_id = d.merchant_id and r.partner_id = d.partner_id
                      and r.dispatch_id = d.id and ${IS_OPEN} and r.next_ask_at <= now())
       and not exists (select from fulfillment.recall q
                        where q.merchant_id = d.merchant_id and q.dispatch_id = d.id
                          and q.state <> 'answered')
     order by d.id
     limit 1
       for update of d skip locked`,
})

/** Locks one dispatch, whatever its state. */
export const lockDispatch = statement({
  name: 'fulfillment.lock_recalled_dispatch',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text', state: 'text', partner_id: 'text', is_settled: 'bool' },
  text: `
    select id, state, partner_id, settled_at is not null as is_settled
      from fulfillment.dispatch
     where merchant_id = $merchant and id = $id
       for update`,
})

/** The orders whose lines a dispatch claims. */
export const selectClaimedOrders = statement({
  name: 'fulfillment.select_claimed_orders',
  params: { merchant: 'text', dispatch: 'text' },
  row: { order_id: 'text' },
  text: `
    select distinct order_id from fulfillment.line_claim
     where merchant_id = $merchant and dispatch_id = $dispatch
     order by order_id`,
})

/**
 * Takes a dispatch back that never left. The guard: it is queued, no intent was ever committed, and no
 * restore lies between. A claim that comes first makes this touch nothing, and this a claim.
 */
export const withdrawUnsent = statement({
  name: 'fulfillment.withdraw_unsent_dispatch',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    update fulfillment.dispatch
       set state = 'recalled', last_code = 'never_sent'
     where merchant_id = $merchant and id = $id and state = 'queued' and attempt = 0
       and intent_at is null and first_attempt_at is null
       and fence_epoch = (select fence_epoch from platform.instance)
    returning id`,
})

/** Moves a dispatch while it is recalled; one that is being sent is left alone. */
export const moveDispatch = statement({
  name: 'fulfillment.move_recalled_dispatch',
  params: { merchant: 'text', id: 'text', state: 'text', code: 'text' },
  row: { id: 'text' },
  text: `
    update fulfillment.dispatch
       set state = $state, last_code = $code, lease_token = null, lease_until = null,
           next_attempt_at = now()
     where merchant_id = $merchant and id = $id and state <> 'sending' and state <> $state
    returning id`,
})

/** The next number in the recalls of a batch; the dispatch is locked meanwhile. */
export const nextRevision = statement({
  name: 'fulfillment.next_recall_revision',
  params: { merchant: 'text', batch: 'text' },
  row: { revision: 'int4' },
  text: `
    select coalesce(max(revision), 0) + 1 as revision from fulfillment.recall
     where merchant_id = $merchant and batch_id = $batch`,
})

/** Keeps a recall; its key and its place among the recalls of its batch are unique. */
export const insertRecall = statement({
  name: 'fulfillment.insert_recall',
  params: {
    merchant: 'text',
    id: 'text',
    dispatch: 'text',
    partner: 'text',
    batch: 'text',
    revision: 'int4',
    key: 'text',
    state: 'text',
    code: 'text?',
    provenance: 'text',
  },
  text: `
    insert into fulfillment.recall
      (merchant_id, id, dispatch_id, partner_id, batch_id, revision, key, state, last_code, provenance_id)
    values ($merchant, $id, $dispatch, $partner, $batch, $revision, $key, $state, $code, $provenance)`,
})

/** Writes the sealed bytes of a recall, once. */
export const insertRecallBody = statement({
  name: 'fulfillment.insert_recall_body',
  params: { merchant: 'text', id: 'text', bytes: 'bytea', proof_key: 'text', proof: 'bytea' },
  text: `
    insert into fulfillment.recall_body (merchant_id, recall_id, bytes, proof_key_id, proof)
    values ($merchant, $id, $bytes, $proof_key, $proof)`,
})

/** Writes down which lines a recall asks for. */
export const insertRecallOrders = statement({
  name: 'fulfillment.insert_recall_orders',
  params: {
    merchant: 'text',
    recall: 'text',
    dispatch: 'text',
    fulfillments: 'text[]',
    order_keys: 'text[]',
  },
  text: `
    insert into fulfillment.recall_order
      (merchant_id, recall_id, dispatch_id, fulfillment_id, order_key)
    select $merchant, $recall, $dispatch, o.fulfillment_id, o.order_key
      from (select unnest($fulfillments) as fulfillment_id, unnest($order_keys) as order_key) as o`,
})

/** Writes the answer of each line down, once, by whom it came. */
export const answerRecallOrders = statement({
  name: 'fulfillment.answer_recall_orders',
  params: {
    merchant: 'text',
    recall: 'text',
    by: 'text',
    fulfillments: 'text[]',
    outcomes: 'text[]',
    trackings: 'text[]',
  },
  text: `
    with a as materialized (
      select $merchant as merchant_id, $recall as recall_id, u.*
        from (select unnest($fulfillments) as fulfillment_id, unnest($outcomes) as outcome,
                     unnest($trackings) as tracking) as u
    )
    update fulfillment.recall_order o
       set outcome = a.outcome, tracking_number = nullif(a.tracking, ''), answered_by = $by,
           answered_at = now()
      from a
     where o.merchant_id = a.merchant_id and o.recall_id = a.recall_id
       and o.fulfillment_id = a.fulfillment_id and o.outcome is null`,
})

/** How the claims and the wishes of a dispatch stand. */
export const selectStanding = statement({
  name: 'fulfillment.select_recall_standing',
  params: { merchant: 'text', dispatch: 'text' },
  row: {
    live: 'int4',
    recalled: 'int4',
    open: 'int4',
    too_late: 'int4',
    is_settled: 'bool',
  },
  text: `
    select (select count(*)::int from fulfillment.line_claim l
             where l.merchant_id = d.merchant_id and l.dispatch_id = d.id and l.state = 'live') as live,
           (select count(*)::int from fulfillment.line_claim l
             where l.merchant_id = d.merchant_id and l.dispatch_id = d.id and l.state = 'recalled') as recalled,
           (select count(*)::int from fulfillment.recall_line r
             where r.merchant_id = d.merchant_id and r.dispatch_id = d.id
               and r.state in ('requested', 'in_progress', 'unknown_order')) as open,
           (select count(*)::int from fulfillment.recall_line r
             where r.merchant_id = d.merchant_id and r.dispatch_id = d.id and r.state = 'too_late') as too_late,
           d.settled_at is not null as is_settled
      from fulfillment.dispatch d
     where d.merchant_id = $merchant and d.id = $dispatch`,
})

/** What the lines of fulfillment orders were sold for, in minor units. */
export const selectLineWorth = statement({
  name: 'fulfillment.select_line_worth',
  params: { merchant: 'text', fulfillments: 'text[]' },
  row: { id: 'text', amount: 'int8', currency: 'text' },
  text: `
    select id, amount, currency
      from (select f.id, ${goodsMinor('f.lines', 'o.lines')} as amount, o.currency
              from fulfillment.fulfillment_order f
              join fulfillment.received_order o
                on o.merchant_id = f.merchant_id and o.order_id = f.order_id and o.revision = f.revision
             where f.merchant_id = $merchant and f.id = any($fulfillments)) worth
     where amount is not null`,
})
