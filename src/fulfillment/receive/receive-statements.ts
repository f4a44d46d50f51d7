import { statement } from '#platform/index.ts'

/** Keeps a hand-over once; none inserted means that its id came before. */
export const insertHandOver = statement({
  name: 'fulfillment.insert_handover',
  params: {
    merchant: 'text',
    id: 'text',
    digest: 'bytea',
    records: 'int4',
    orders: 'int4',
    holds: 'int4',
    clears: 'int4',
    provenance: 'text',
  },
  row: { id: 'text' },
  text: `
    insert into fulfillment.handover
      (merchant_id, id, digest, records, orders, holds, clears, provenance_id)
    values ($merchant, $id, $digest, $records, $orders, $holds, $clears, $provenance)
    on conflict do nothing
    returning id`,
})

/** The hand-over that has an id. */
export const selectHandOver = statement({
  name: 'fulfillment.select_handover',
  params: { merchant: 'text', id: 'text' },
  row: { digest: 'bytea', records: 'int4', orders: 'int4', holds: 'int4', clears: 'int4' },
  text: `
    select digest, records, orders, holds, clears from fulfillment.handover
     where merchant_id = $merchant and id = $id`,
})

/** Keeps received orders; one that is there stays as it is. */
export const insertOrders = statement({
  name: 'fulfillment.insert_received_orders',
  params: {
    merchant: 'text',
    ids: 'text[]',
    revisions: 'int4[]',
    digests: 'bytea[]',
    numbers: 'text[]',
    currencies: 'text[]',
    addresses: 'jsonb[]',
    lines: 'jsonb[]',
    promises: 'timestamptz?[]',
  },
  text: `
    insert into fulfillment.received_order
      (merchant_id, order_id, revision, order_digest, order_number, currency, ship_to, lines, ship_by)
    select $merchant, o.id, o.revision, o.digest, o.number, o.currency, o.ship_to, o.lines, o.ship_by
      from (select unnest($ids) as id, unnest($revisions) as revision, unnest($digests) as digest,
                   unnest($numbers) as number, unnest($currencies) as currency,
                   unnest($addresses) as ship_to, unnest($lines) as lines, unnest($promises) as ship_by) as o
    on conflict do nothing`,
})

/** The digests and promises under which revisions of orders are known. */
export const selectDigests = statement({
  name: 'fulfillment.select_order_digests',
  params: { merchant: 'text', orders: 'text[]' },
  row: { order_id: 'text', revision: 'int4', order_digest: 'bytea', ship_by: 'timestamptz?' },
  text: `
    select order_id, revision, order_digest, ship_by from fulfillment.received_order
     where merchant_id = $merchant and order_id = any($orders)`,
})

/** Keeps decisions; a number that is there stays as it is. */
export const insertDecisions = statement({
  name: 'fulfillment.insert_decisions',
  params: {
    merchant: 'text',
    handover: 'text',
    orders: 'text[]',
    numbers: 'int4[]',
    ids: 'text[]',
    verdicts: 'text[]',
    reasons: 'jsonb[]',
    revisions: 'int4[]',
    digests: 'bytea[]',
    keys: 'text[]',
    approvals: 'bytea[]',
    effective: 'timestamptz[]',
  },
  row: { order_id: 'text', number: 'int4' },
  text: `
    insert into fulfillment.decision
      (merchant_id, order_id, number, id, verdict, reasons, revision, order_digest, key_id,
       approval, effective_at, handover_id)
    select $merchant, d.order_id, d.number, d.id, d.verdict,
           array(select jsonb_array_elements_text(d.reasons)), d.revision, d.digest, d.key_id,
           nullif(d.approval, ''::bytea), d.effective_at, $handover
      from (select unnest($orders) as order_id, unnest($numbers) as number, unnest($ids) as id,
                   unnest($verdicts) as verdict, unnest($reasons) as reasons,
                   unnest($revisions) as revision, unnest($digests) as digest, unnest($keys) as key_id,
                   unnest($approvals) as approval, unnest($effective) as effective_at) as d
    on conflict do nothing
    returning order_id, number`,
})

/** The decisions that orders have, by number. */
export const selectDecisionIds = statement({
  name: 'fulfillment.select_decision_ids',
  params: { merchant: 'text', orders: 'text[]' },
  row: { order_id: 'text', number: 'int4', id: 'text', order_digest: 'bytea' },
  text: `
    select order_id, number, id, order_digest from fulfillment.decision
     where merchant_id = $merchant and order_id = any($orders)`,
})

/** The highest withdrawn revision of each order that has one. */
export const selectTombstones = statement({
  name: 'fulfillment.select_tombstones',
  params: { merchant: 'text', orders: 'text[]' },
  row: { order_id: 'text', revision: 'int4' },
  text: `
    select order_id, max(revision) as revision from fulfillment.withdrawal
     where merchant_id = $merchant and order_id = any($orders)
     group by order_id`,
})

/** Makes fulfillment orders, held or withdrawn: nothing is ever born open. */
export const insertFulfillments = statement({
  name: 'fulfillment.insert_fulfillment_orders',
  params: {
    merchant: 'text',
    ids: 'text[]',
    orders: 'text[]',
    revisions: 'int4[]',
    partners: 'text[]',
    locations: 'text[]',
    lines: 'jsonb[]',
    states: 'text[]',
    promises: 'timestamptz?[]',
  },
  row: { id: 'text', order_id: 'text', state: 'text' },
  text: `
    insert into fulfillment.fulfillment_order
      (merchant_id, id, order_id, revision, partner_id, location_id, lines, state, ship_by)
    select $merchant, f.id, f.order_id, f.revision, f.partner_id, f.location_id, f.lines, f.state,
           f.ship_by
      from (select unnest($ids) as id, unnest($orders) as order_id, unnest($revisions) as revision,
                   unnest($partners) as partner_id, unnest($locations) as location_id,
                   unnest($lines) as lines, unnest($states) as state, unnest($promises) as ship_by) as f
    on conflict (merchant_id, order_id, revision, partner_id) do nothing
    returning id, order_id, state`,
})
