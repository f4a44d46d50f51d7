import { jsonOf, statement } from '#platform/index.ts'
import type { FulfillmentLine } from './seal/seal-body.ts'

/** Creates and locks the gates of orders; give the ids sorted, so that two callers never cross. */
export const lockGates = statement({
  name: 'fulfillment.lock_gates',
  params: { merchant: 'text', orders: 'text[]' },
  text: `
    insert into fulfillment.order_gate (merchant_id, order_id)
    select $merchant, o.id from unnest($orders) with ordinality as o(id, place) order by o.place
    on conflict (merchant_id, order_id) do update set passed_at = now()`,
})

/** Locks every fulfillment order of some orders, in id order. */
export const lockByOrder = statement({
  name: 'fulfillment.lock_by_order',
  params: { merchant: 'text', orders: 'text[]' },
  row: {
    id: 'text',
    order_id: 'text',
    revision: 'int4',
    partner_id: 'text',
    state: 'text',
    cleared_by: 'text?',
    dispatch_id: 'text?',
    generation: 'int4',
  },
  text: `
    select id, order_id, revision, partner_id, state, cleared_by, dispatch_id, generation
      from fulfillment.fulfillment_order
     where merchant_id = $merchant and order_id = any($orders)
     order by id
       for update`,
})

/** The newest decision of each order. */
export const newestDecisions = statement({
  name: 'fulfillment.newest_decisions',
  params: { merchant: 'text', orders: 'text[]' },
  row: {
    order_id: 'text',
    number: 'int4',
    id: 'text',
    verdict: 'text',
    reasons: 'text[]',
    revision: 'int4',
    order_digest: 'bytea',
    key_id: 'text',
    approval: 'bytea?',
    effective_at: 'timestamptz',
  },
  text: `
    select distinct on (order_id) order_id, number, id, verdict, reasons, revision, order_digest,
           key_id, approval, effective_at
      from fulfillment.decision
     where merchant_id = $merchant and order_id = any($orders)
     order by order_id, number desc`,
})

/** The holds that are open on some fulfillment orders. */
export const openHolds = statement({
  name: 'fulfillment.open_holds',
  params: { merchant: 'text', fulfillments: 'text[]' },
  row: { id: 'text', fulfillment_id: 'text', kind: 'text' },
  text: `
    select id, fulfillment_id, kind from fulfillment.hold
     where merchant_id = $merchant and fulfillment_id = any($fulfillments) and released_at is null`,
})

// In set-based updates the merchant comes out of the materialized set: on a table without statistics
// PostgreSQL takes one merchant for few rows, and would compare every row with every item of the set.

/** Opens fulfillment orders under the CLEAR of each; an unsealed one only. */
export const openOrders = statement({
  name: 'fulfillment.open_orders',
  params: { merchant: 'text', ids: 'text[]', decisions: 'text[]', effective: 'timestamptz[]' },
  row: { id: 'text' },
  text: `
    with o as materialized (
      select $merchant as merchant_id, u.id, u.decision, u.effective_at
        from (select unnest($ids) as id, unnest($decisions) as decision, unnest($effective) as effective_at) as u
    )
    update fulfillment.fulfillment_order f
       set state = 'open', cleared_by = o.decision, cleared_verdict = 'clear',
           effective_at = o.effective_at, updated_at = now()
      from o
     where f.merchant_id = o.merchant_id and f.id = o.id and f.state in ('held', 'open')
    returning f.id`,
})

/** Holds fulfillment orders; an unsealed one only. What cleared it before counts no more. */
export const holdOrders = statement({
  name: 'fulfillment.hold_orders',
  params: { merchant: 'text', ids: 'text[]' },
  row: { id: 'text' },
  text: `
    update fulfillment.fulfillment_order
       set state = 'held', cleared_by = null, cleared_verdict = null, effective_at = null,
           updated_at = now()
     where merchant_id = $merchant and id = any($ids) and state in ('held', 'open')
    returning id`,
})

/** Places holds; `reasons` is one JSON array each. */
export const insertHolds = statement({
  name: 'fulfillment.insert_holds',
  params: {
    merchant: 'text',
    ids: 'text[]',
    fulfillments: 'text[]',
    kind: 'text',
    reasons: 'jsonb[]',
    actor: 'text',
  },
  text: `
    insert into fulfillment.hold (merchant_id, id, fulfillment_id, kind, reasons, placed_by)
    select $merchant, h.id, h.fulfillment_id, $kind,
           array(select jsonb_array_elements_text(h.reasons)), $actor
      from (select unnest($ids) as id, unnest($fulfillments) as fulfillment_id, unnest($reasons) as reasons) as h`,
})

/** Releases the open review holds of fulfillment orders. */
export const releaseReviewHolds = statement({
  name: 'fulfillment.release_review_holds',
  params: { merchant: 'text', fulfillments: 'text[]', actor: 'text', reason: 'text' },
  text: `
    update fulfillment.hold
       set released_at = now(), released_by = $actor, release_reason = $reason
     where merchant_id = $merchant and fulfillment_id = any($fulfillments)
       and kind = 'review' and released_at is null`,
})

/** Tells sleeping workers that there is work; a hint, delivered at commit. */
export const notifyWork = statement({
  name: 'fulfillment.notify_work',
  params: { topic: 'text' },
  row: { pg_notify: 'text' },
  text: `select pg_notify('holdfast_work', $topic)::text as pg_notify`,
})

/** The lines of a fulfillment order, as the hand-over wrote them. */
export const lineColumn = jsonOf<readonly FulfillmentLine[]>(
  'written once from a checked record; the seal proves it again',
)

/**
 * What a partner refused may be sealed again, as SQL over a `fulfillment_order` named `f`: it is cleared, no
 * line of it is live, no parcel of it has left, and nobody has taken it back or asks for it.
 */
export const MAY_REOPEN = `f.cleared_by is not null
       and not exists (select from fulfillment.line_claim l
                        where l.merchant_id = f.merchant_id and l.fulfillment_id = f.id
                          and l.state = 'live')
       and not exists (select from fulfillment.shipment s
                        where s.merchant_id = f.merchant_id and s.fulfillment_id = f.id
                          and s.generation = f.generation)
       and not exists (select from fulfillment.withdrawal w
                        where w.merchant_id = f.merchant_id and w.order_id = f.order_id
                          and w.revision >= f.revision)`
