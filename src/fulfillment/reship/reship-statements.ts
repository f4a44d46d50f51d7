import { statement } from '#platform/index.ts'

/** Writes the wish to ship once more; nothing where one of that generation is open or approved. */
export const insertReship = statement({
  name: 'fulfillment.insert_reship',
  params: {
    merchant: 'text',
    id: 'text',
    fulfillment: 'text',
    generation: 'int4',
    case: 'text',
    reason: 'text',
    actor: 'text',
  },
  text: `
    insert into fulfillment.reship
      (merchant_id, id, fulfillment_id, generation, case_id, reason, requested_by)
    values ($merchant, $id, $fulfillment, $generation, $case, $reason, $actor)
    on conflict do nothing`,
})

const RESHIP = {
  id: 'text',
  fulfillment_id: 'text',
  order_id: 'text',
  generation: 'int4',
  case_id: 'text',
  reason: 'text',
  requested_by: 'text',
  requested_at: 'timestamptz',
  state: 'text',
  decided_by: 'text?',
  decided_at: 'timestamptz?',
  note: 'text?',
} as const

// An approved one is ended where its generation was taken back: no other generation can follow it.
const STATE = `
  case when r.state = 'approved' and f.generation = r.generation
            and f.state in ('withdrawn', 'recalled')
       then 'ended' else r.state end`

/** One wish with its order. */
export const selectReship = statement({
  name: 'fulfillment.select_reship',
  params: { merchant: 'text', id: 'text' },
  row: RESHIP,
  text: `
    select r.id, r.fulfillment_id, f.order_id, r.generation, r.case_id, r.reason, r.requested_by,
           r.requested_at, ${STATE} as state, r.decided_by, r.decided_at, r.note
      from fulfillment.reship r
      join fulfillment.fulfillment_order f
        on f.merchant_id = r.merchant_id and f.id = r.fulfillment_id
     where r.merchant_id = $merchant and r.id = $id`,
})

/** Wishes, newest first; `before` is the last id of the page before. */
export const selectReships = statement({
  name: 'fulfillment.select_reships',
  params: { merchant: 'text', state: 'text?', before: 'text?', limit: 'int4' },
  row: RESHIP,
  text: `
    select r.id, r.fulfillment_id, f.order_id, r.generation, r.case_id, r.reason, r.requested_by,
           r.requested_at, ${STATE} as state, r.decided_by, r.decided_at, r.note
      from fulfillment.reship r
      join fulfillment.fulfillment_order f
        on f.merchant_id = r.merchant_id and f.id = r.fulfillment_id
     where r.merchant_id = $merchant and ($state is null or ${STATE} = $state)
       and ($before is null or r.id < $before)
     order by r.id desc
     limit $limit`,
})

/** The one way to a new generation: the database asks for an open wish and for a second person. */
export const approveReship = statement({
  name: 'fulfillment.approve_reship',
  params: { merchant: 'text', id: 'text', actor: 'text', note: 'text' },
  row: { is_done: 'bool' },
  text: `select fulfillment.approve_reship($merchant, $id, $actor, $note) as is_done`,
})

/** Refuses an open wish; whoever made it may, too. */
export const refuseReship = statement({
  name: 'fulfillment.refuse_reship',
  params: { merchant: 'text', id: 'text', actor: 'text', note: 'text' },
  row: { is_done: 'bool' },
  text: `select fulfillment.refuse_reship($merchant, $id, $actor, $note) as is_done`,
})

/** Ends an approved reship that no partner has: its generation is never sealed again. */
export const withdrawReship = statement({
  name: 'fulfillment.withdraw_reship',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    update fulfillment.fulfillment_order f
       set state = 'withdrawn', cleared_by = null, cleared_verdict = null, effective_at = null,
           updated_at = now()
      from fulfillment.generation g
     where g.merchant_id = $merchant and g.reship_id = $id
       and f.merchant_id = g.merchant_id and f.id = g.fulfillment_id and f.generation = g.generation
       and f.state in ('held', 'open')
    returning f.id`,
})

/** Under which name the stock of later generations is reserved. */
export const selectGenerations = statement({
  name: 'fulfillment.select_generations',
  params: { merchant: 'text', ids: 'text[]' },
  row: { fulfillment_id: 'text', generation: 'int4', reship_id: 'text' },
  text: `
    select fulfillment_id, generation, reship_id from fulfillment.generation
     where merchant_id = $merchant and fulfillment_id = any($ids)`,
})
