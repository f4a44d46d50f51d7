import { jsonOf, statement } from '#platform/index.ts'
import type { HandOverRecord } from '#wire/index.ts'

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
    identities: 'text[]',
  },
  text: `
    insert into fulfillment.received_order
      (merchant_id, order_id, revision, order_digest, order_number, currency, ship_to, lines, ship_by, identity)
    select $merchant, o.id, o.revision, o.digest, o.number, o.currency, o.ship_to, o.lines, o.ship_by,
           nullif(o.identity, '')
      from (select unnest($ids) as id, unnest($revisions) as revision, unnest($digests) as digest,
                   unnest($numbers) as number, unnest($currencies) as currency,
                   unnest($addresses) as ship_to, unnest($lines) as lines, unnest($promises) as ship_by,
                   unnest($identities) as identity) as o
    on conflict do nothing`,
})

/** What stands here of revisions of orders, and whether a certificate proves it. */
export const selectContents = statement({
  name: 'fulfillment.select_received_contents',
  params: { merchant: 'text', orders: 'text[]' },
  row: {
    order_id: 'text',
    revision: 'int4',
    order_digest: 'bytea',
    order_number: 'text',
    ship_by: 'timestamptz?',
    lines: jsonOf<HandOverRecord['lines']>(
      'insertOrders above writes it from a record that was checked',
    ),
    identity: 'text?',
    is_proven: 'bool',
  },
  text: `
    select r.order_id, r.revision, r.order_digest, r.order_number, r.ship_by, r.lines, r.identity,
           exists (select from fulfillment.decision d
                    where d.merchant_id = r.merchant_id and d.order_id = r.order_id
                      and d.revision = r.revision and d.approval is not null) as is_proven
      from fulfillment.received_order r
     where r.merchant_id = $merchant and r.order_id = any($orders)`,
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
export const selectDecisions = statement({
  name: 'fulfillment.select_stored_decisions',
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
  },
  text: `
    select order_id, number, id, verdict, reasons, revision, order_digest, key_id, approval
      from fulfillment.decision
     where merchant_id = $merchant and order_id = any($orders)`,
})

/** Puts a certified decision in the place of one that no certificate proves; the database checks both. */
export const replaceUnprovenDecision = statement({
  name: 'fulfillment.replace_unproven_decision',
  params: {
    merchant: 'text',
    aside: 'text',
    order: 'text',
    number: 'int4',
    id: 'text',
    verdict: 'text',
    reasons: 'text[]',
    revision: 'int4',
    digest: 'bytea',
    key: 'text',
    approval: 'bytea',
    effective: 'timestamptz',
    handover: 'text',
  },
  row: { is_done: 'bool' },
  text: `
    select fulfillment.replace_unproven_decision(
      $merchant, $aside, $order, $number, $id, $verdict, $reasons, $revision, $digest, $key, $approval,
      $effective, $handover) as is_done`,
})

/** Makes room for certified content: sets aside what no certificate proves. */
export const setAsideContent = statement({
  name: 'fulfillment.set_aside_unproven_content',
  params: { merchant: 'text', aside: 'text', order: 'text', revision: 'int4', handover: 'text' },
  row: { is_done: 'bool' },
  text: `
    select fulfillment.set_aside_unproven_content($merchant, $aside, $order, $revision, $handover) as is_done`,
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
