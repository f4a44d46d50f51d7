import { jsonOf, statement } from '#platform/index.ts'
import { ACCEPTED_STATE } from '../recall/accepted-state.ts'
import { lineColumn } from '../fulfillment-statements.ts'
import type { FulfillmentLine } from '../seal/seal-body.ts'

/** Takes stored events that are not applied, oldest first. */
export const claimInbox = statement({
  name: 'fulfillment.claim_inbox',
  params: { merchant: 'text', limit: 'int4' },
  row: { partner_id: 'text', webhook_id: 'text', raw: 'bytea', received_at: 'timestamptz' },
  text: `
    select partner_id, webhook_id, raw, received_at from fulfillment.inbox
     where merchant_id = $merchant and applied_at is null
     order by received_at, webhook_id
     limit $limit
       for update skip locked`,
})

/** Marks events as applied, with what came of each. */
export const markApplied = statement({
  name: 'fulfillment.mark_inbox_applied',
  params: { merchant: 'text', partners: 'text[]', ids: 'text[]', outcomes: 'text[]' },
  text: `
    with a as materialized (
      select $merchant as merchant_id, u.partner_id, u.webhook_id, u.outcome
        from (select unnest($partners) as partner_id, unnest($ids) as webhook_id,
                     unnest($outcomes) as outcome) as u
    )
    update fulfillment.inbox i
       set applied_at = now(), outcome = a.outcome
      from a
     where i.merchant_id = a.merchant_id and i.partner_id = a.partner_id
       and i.webhook_id = a.webhook_id and i.applied_at is null`,
})

/** Locks the fulfillment orders that shipments name, in id order. */
export const lockShipped = statement({
  name: 'fulfillment.lock_shipped_orders',
  params: { merchant: 'text', ids: 'text[]' },
  row: {
    id: 'text',
    order_id: 'text',
    partner_id: 'text',
    location_id: 'text',
    state: 'text',
    dispatch_id: 'text?',
    lines: lineColumn,
    generation: 'int4',
  },
  text: `
    select id, order_id, partner_id, location_id, state, dispatch_id, lines, generation
      from fulfillment.fulfillment_order
     where merchant_id = $merchant and id = any($ids)
     order by id
       for update`,
})

/** What has shipped of fulfillment orders before. */
export const selectShippedLines = statement({
  name: 'fulfillment.select_shipped_lines',
  params: { merchant: 'text', ids: 'text[]' },
  row: {
    fulfillment_id: 'text',
    generation: 'int4',
    lines: jsonOf<readonly FulfillmentLine[]>('written once from a parsed event of a partner'),
  },
  text: `
    select fulfillment_id, generation, lines from fulfillment.shipment
     where merchant_id = $merchant and fulfillment_id = any($ids)`,
})

/** Records parcels; one that its partner named before stays as it is. */
export const insertShipments = statement({
  name: 'fulfillment.insert_shipments',
  params: {
    merchant: 'text',
    ids: 'text[]',
    partners: 'text[]',
    names: 'text[]',
    fulfillments: 'text[]',
    generations: 'int4[]',
    dispatches: 'text[]',
    carriers: 'text[]',
    trackings: 'text[]',
    lines: 'jsonb[]',
    shipped: 'timestamptz[]',
  },
  row: { id: 'text' },
  text: `
    insert into fulfillment.shipment
      (merchant_id, id, partner_id, partner_shipment_id, fulfillment_id, generation, dispatch_id,
       carrier, tracking_number, lines, shipped_at)
    select $merchant, s.id, s.partner_id, s.name, s.fulfillment_id, s.generation, s.dispatch_id,
           nullif(s.carrier, ''), nullif(s.tracking, ''), s.lines, s.shipped_at
      from (select unnest($ids) as id, unnest($partners) as partner_id, unnest($names) as name,
                   unnest($fulfillments) as fulfillment_id, unnest($generations) as generation,
                   unnest($dispatches) as dispatch_id, unnest($carriers) as carrier,
                   unnest($trackings) as tracking, unnest($lines) as lines, unnest($shipped) as shipped_at) as s
    on conflict (merchant_id, partner_id, partner_shipment_id) do nothing
    returning id`,
})

/** What the dispatches that partners name claim, by key and fulfillment order. */
export const selectClaims = statement({
  name: 'fulfillment.select_claims_by_key',
  params: { merchant: 'text', keys: 'text[]', fulfillments: 'text[]' },
  row: {
    key: 'text',
    dispatch_id: 'text',
    partner_id: 'text',
    fulfillment_id: 'text',
    generation: 'int4',
    state: 'text',
  },
  text: `
    select d.key, d.id as dispatch_id, d.partner_id, l.fulfillment_id, l.generation, l.state
      from fulfillment.dispatch d
      join fulfillment.line_claim l on l.merchant_id = d.merchant_id and l.dispatch_id = d.id
     where d.merchant_id = $merchant and d.key = any($keys)
       and l.fulfillment_id = any($fulfillments)`,
})

/** Keeps single units by name, each in the first parcel that held it; answers those that are new. */
export const insertUnits = statement({
  name: 'fulfillment.insert_shipped_units',
  params: {
    merchant: 'text',
    fulfillments: 'text[]',
    generations: 'int4[]',
    lines: 'text[]',
    units: 'text[]',
    shipments: 'text[]',
  },
  row: { shipment_id: 'text' },
  text: `
    insert into fulfillment.shipped_unit
      (merchant_id, fulfillment_id, generation, line_id, unit, shipment_id)
    select $merchant, u.fulfillment_id, u.generation, u.line_id, u.unit, u.shipment_id
      from (select unnest($fulfillments) as fulfillment_id, unnest($generations) as generation,
                   unnest($lines) as line_id, unnest($units) as unit, unnest($shipments) as shipment_id) as u
        on conflict do nothing
    returning shipment_id`,
})

/** Units that were given up as short: they must not leave any more. */
export const selectReleased = statement({
  name: 'fulfillment.select_released_lines',
  params: { merchant: 'text', ids: 'text[]' },
  row: { fulfillment_id: 'text', generation: 'int4', line_id: 'text', sku: 'text', qty: 'int8' },
  text: `
    select fulfillment_id, generation, line_id, sku, qty from fulfillment.open_line
     where merchant_id = $merchant and fulfillment_id = any($ids) and cause = 'short'
       and state = 'released'`,
})

/** Marks fulfillment orders as shipped; the lattice never goes back. */
export const shipOrders = statement({
  name: 'fulfillment.ship_fulfillment_orders',
  params: { merchant: 'text', ids: 'text[]' },
  row: { id: 'text' },
  text: `
    update fulfillment.fulfillment_order
       set state = 'shipped', updated_at = now()
     where merchant_id = $merchant and id = any($ids) and state in ('sealed', 'accepted')
    returning id`,
})

/** Dispatches by key, with the fulfillment orders that they carry. */
export const selectByKey = statement({
  name: 'fulfillment.select_dispatches_by_key',
  params: { merchant: 'text', keys: 'text[]' },
  row: {
    id: 'text',
    key: 'text',
    partner_id: 'text',
    state: 'text',
    fulfillments: 'text[]',
    rejected: 'text[]',
  },
  text: `
    select d.id, d.key, d.partner_id, d.state,
           array(select l.fulfillment_id from fulfillment.line_claim l
                  where l.merchant_id = d.merchant_id and l.dispatch_id = d.id
                  order by l.fulfillment_id) as fulfillments,
           array(select l.fulfillment_id from fulfillment.line_claim l
                  where l.merchant_id = d.merchant_id and l.dispatch_id = d.id
                    and l.state = 'rejected') as rejected
      from fulfillment.dispatch d
     where d.merchant_id = $merchant and d.key = any($keys)
     order by d.id`,
})

/** Settles dispatches in doubt on evidence; one that is being sent or is settled is left alone. */
export const settleInDoubt = statement({
  name: 'fulfillment.settle_dispatches_in_doubt',
  params: { merchant: 'text', ids: 'text[]', code: 'text' },
  row: { id: 'text' },
  text: `
    update fulfillment.dispatch d
       set state = ${ACCEPTED_STATE}, settled_at = now(), last_code = $code, lease_token = null,
           lease_until = null
     where merchant_id = $merchant and id = any($ids) and state in ('unknown', 'needs_operator')
    returning id`,
})
