import { statement } from '#platform/index.ts'

/** Lines whose wish is not answered yet, as SQL over a `recall_line` named `r`. */
export const IS_OPEN = `r.state in ('requested', 'in_progress')`

/** Asks for lines of a dispatch that are live; one that was asked for before stays as it is. */
export const insertRecallLines = statement({
  name: 'fulfillment.insert_recall_lines',
  params: {
    merchant: 'text',
    dispatch: 'text',
    /** Null for every live line of the dispatch. */
    fulfillments: 'text[]?',
    cause: 'text',
    actor: 'text',
    reason: 'text',
  },
  row: { fulfillment_id: 'text', order_id: 'text' },
  text: `
    insert into fulfillment.recall_line
      (merchant_id, dispatch_id, fulfillment_id, order_id, partner_id, cause, actor, reason)
    select l.merchant_id, l.dispatch_id, l.fulfillment_id, l.order_id, d.partner_id, $cause, $actor, $reason
      from fulfillment.line_claim l
      join fulfillment.dispatch d on d.merchant_id = l.merchant_id and d.id = l.dispatch_id
     where l.merchant_id = $merchant and l.dispatch_id = $dispatch and l.state = 'live'
       and ($fulfillments is null or l.fulfillment_id = any($fulfillments))
     order by l.fulfillment_id
        on conflict (merchant_id, dispatch_id, fulfillment_id) do nothing
    returning fulfillment_id, order_id`,
})

/** Makes open wishes due now: somebody asks again. */
export const hurryLines = statement({
  name: 'fulfillment.hurry_recall_lines',
  params: { merchant: 'text', dispatch: 'text' },
  text: `
    update fulfillment.recall_line r set next_ask_at = least(r.next_ask_at, now())
     where r.merchant_id = $merchant and r.dispatch_id = $dispatch and ${IS_OPEN}`,
})

/**
 * Closes wishes that were answered by what happened: the partner had refused the line, it was given back
 * with its whole dispatch, or the goods have left.
 */
export const closeOvertaken = statement({
  name: 'fulfillment.close_overtaken_recall_lines',
  params: { merchant: 'text', dispatch: 'text' },
  row: { fulfillment_id: 'text', order_id: 'text', state: 'text', tracking_number: 'text?' },
  text: `
    update fulfillment.recall_line r
       set state = case l.state when 'rejected' then 'rejected' when 'live' then 'too_late'
                                else 'recalled' end,
           tracking_number = coalesce(r.tracking_number,
             (select s.tracking_number from fulfillment.shipment s
               where s.merchant_id = r.merchant_id and s.fulfillment_id = r.fulfillment_id
               order by s.id limit 1)),
           answered_at = now()
      from fulfillment.line_claim l
      join fulfillment.fulfillment_order f
        on f.merchant_id = l.merchant_id and f.id = l.fulfillment_id
     where r.merchant_id = $merchant and r.dispatch_id = $dispatch and ${IS_OPEN}
       and l.merchant_id = r.merchant_id and l.dispatch_id = r.dispatch_id
       and l.fulfillment_id = r.fulfillment_id
       and (l.state <> 'live' or f.state in ('shipped', 'delivered'))
    returning r.fulfillment_id, r.order_id, r.state, r.tracking_number`,
})

/** The lines of a dispatch that are still asked back, with what their recall needs. */
export const selectOpenLines = statement({
  name: 'fulfillment.select_open_recall_lines',
  params: { merchant: 'text', dispatch: 'text' },
  row: {
    fulfillment_id: 'text',
    order_id: 'text',
    generation: 'int4',
    cause: 'text',
    asked: 'int4',
    is_due: 'bool',
    /** True where a person asked for it with the dispatch in front of them: it was in doubt by then. */
    is_by_operator: 'bool',
  },
  text: `
    select r.fulfillment_id, r.order_id, l.generation, r.cause, r.asked, r.next_ask_at <= now() as is_due,
           r.cause = 'operator' and d.state in ('needs_operator', 'quarantined')
             and r.requested_at >= d.next_attempt_at as is_by_operator
      from fulfillment.recall_line r
      join fulfillment.dispatch d on d.merchant_id = r.merchant_id and d.id = r.dispatch_id
      join fulfillment.line_claim l
        on l.merchant_id = r.merchant_id and l.dispatch_id = r.dispatch_id
       and l.fulfillment_id = r.fulfillment_id
     where r.merchant_id = $merchant and r.dispatch_id = $dispatch and ${IS_OPEN}
     order by r.fulfillment_id`,
})

/** Looks at the open wishes of a dispatch again after `delay_ms`. */
export const postponeLines = statement({
  name: 'fulfillment.postpone_recall_lines',
  params: { merchant: 'text', dispatch: 'text', delay_ms: 'float8' },
  text: `
    update fulfillment.recall_line r
       set next_ask_at = now() + $delay_ms * interval '1 millisecond'
     where r.merchant_id = $merchant and r.dispatch_id = $dispatch and ${IS_OPEN}
       and r.next_ask_at <= now()`,
})

/** Moves wishes to what the partner, or a person, answered; a settled one never moves again. */
export const answerLines = statement({
  name: 'fulfillment.answer_recall_lines',
  params: {
    merchant: 'text',
    dispatch: 'text',
    fulfillments: 'text[]',
    states: 'text[]',
    trackings: 'text[]',
    delays: 'float8[]',
  },
  row: {
    fulfillment_id: 'text',
    order_id: 'text',
    state: 'text',
    cause: 'text',
    reason: 'text',
    tracking_number: 'text?',
  },
  text: `
    with a as materialized (
      select $merchant as merchant_id, $dispatch as dispatch_id, u.*
        from (select unnest($fulfillments) as fulfillment_id, unnest($states) as state,
                     unnest($trackings) as tracking, unnest($delays) as delay_ms) as u
    )
    update fulfillment.recall_line r
       set state = a.state, asked = r.asked + 1,
           tracking_number = coalesce(nullif(a.tracking, ''), r.tracking_number),
           next_ask_at = now() + a.delay_ms * interval '1 millisecond',
           answered_at = case when a.state not in ('requested', 'in_progress') then now() end
      from a
     where r.merchant_id = a.merchant_id and r.dispatch_id = a.dispatch_id
       and r.fulfillment_id = a.fulfillment_id
       and r.state in ('requested', 'in_progress', 'unknown_order')
    returning r.fulfillment_id, r.order_id, r.state, r.cause, r.reason, r.tracking_number`,
})

/** Gives live lines of a dispatch back: they leave the ship-once index. Null for all of them. */
export const freeClaims = statement({
  name: 'fulfillment.free_line_claims',
  params: { merchant: 'text', dispatch: 'text', fulfillments: 'text[]?' },
  row: {
    fulfillment_id: 'text',
    order_id: 'text',
    cause: 'text?',
    actor: 'text?',
    reason: 'text?',
  },
  text: `
    update fulfillment.line_claim l
       set state = 'recalled'
      from fulfillment.line_claim c
      left join fulfillment.recall_line r
        on r.merchant_id = c.merchant_id and r.dispatch_id = c.dispatch_id
       and r.fulfillment_id = c.fulfillment_id
     where c.merchant_id = $merchant and c.dispatch_id = $dispatch
       and ($fulfillments is null or c.fulfillment_id = any($fulfillments))
       and l.merchant_id = c.merchant_id and l.dispatch_id = c.dispatch_id
       and l.fulfillment_id = c.fulfillment_id and l.state = 'live'
    returning l.fulfillment_id, l.order_id, r.cause, r.actor, r.reason`,
})

/**
 * Moves fulfillment orders that their partner gave back: ended, or held until it is decided anew. One of
 * which a parcel has left always ends: sealed again it would ship whole, and those units twice.
 */
export const takeBackOrders = statement({
  name: 'fulfillment.take_back_fulfillment_orders',
  params: { merchant: 'text', dispatch: 'text', ended: 'text[]', held: 'text[]' },
  row: { id: 'text', order_id: 'text', partner_id: 'text', state: 'text' },
  text: `
    with back as materialized (
      select c.merchant_id, c.id,
             c.id = any($ended)
               or exists (select from fulfillment.shipment s
                           where s.merchant_id = c.merchant_id and s.fulfillment_id = c.id
                             and s.generation = c.generation) as is_ended
        from fulfillment.fulfillment_order c
       where c.merchant_id = $merchant and c.dispatch_id = $dispatch
         and (c.id = any($ended) or c.id = any($held))
    )
    update fulfillment.fulfillment_order f
       set state = case when b.is_ended then 'recalled' else 'held' end,
           cleared_by = case when b.is_ended then f.cleared_by end,
           cleared_verdict = case when b.is_ended then f.cleared_verdict end,
           effective_at = case when b.is_ended then f.effective_at end,
           updated_at = now()
      from back b
     where f.merchant_id = b.merchant_id and f.id = b.id and f.state in ('sealed', 'accepted')
    returning f.id, f.order_id, f.partner_id, f.state`,
})
