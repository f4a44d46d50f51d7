import { jsonOf, statement } from '#platform/index.ts'
import type { RecordLine } from '#wire/index.ts'
import { NO_HOLD_STANDS } from '../hold/asked-decision.ts'
import { LANE_IS_OPEN } from '../reconcile/lane-gate.ts'
import { lineColumn } from '../fulfillment-statements.ts'

// An id begins with the name of its order (fulfillment-id.ts); earlier ids are the name of none. What was matched
// is with a partner already, what is open or held keeps back the whole order.
const NOT_ELSEWHERE = `not exists (
         select from fulfillment.unknown_fulfillment u
          where u.merchant_id = f.merchant_id and u.identity = substr(f.id, 5, 26)
            and u.state <> 'closed'
            and (u.state <> 'matched' or u.fulfillment_id = f.id))`

/**
 * Locks the open fulfillment orders of a partner whose CLEAR is effective and that nobody holds.
 * Rows that a hold or a withdrawal has in hand are skipped, and looked at again when they are free.
 * There are none where the lane is not open for this session, and none of an order of which any partner has
 * another revision.
 */
export const claimOpen = statement({
  name: 'fulfillment.claim_open_orders',
  params: { merchant: 'text', partner: 'text', session: 'text', wal: 'int8', limit: 'int4' },
  row: {
    id: 'text',
    order_id: 'text',
    revision: 'int4',
    generation: 'int4',
    location_id: 'text',
    lines: lineColumn,
    cleared_by: 'text?',
    ship_by: 'timestamptz?',
  },
  text: `
    select f.id, f.order_id, f.revision, f.generation, f.location_id, f.lines, f.cleared_by, f.ship_by
      from fulfillment.fulfillment_order f
     where f.merchant_id = $merchant and f.partner_id = $partner and f.state = 'open'
       and f.effective_at <= now() and ${LANE_IS_OPEN}
       and not exists (
         select from fulfillment.hold h
          where h.merchant_id = f.merchant_id and h.fulfillment_id = f.id
            and h.released_at is null)
       and ${NO_HOLD_STANDS}
       and not exists (
         select from fulfillment.fulfillment_order o
          where o.merchant_id = f.merchant_id and o.order_id = f.order_id
            and o.revision <> f.revision
            and o.state in ('sealed', 'accepted', 'shipped', 'delivered'))
       and ${NOT_ELSEWHERE}
     order by f.effective_at, f.id
     limit $limit
       for update of f skip locked`,
})

/** The received content of order revisions, and the time of the database. */
export const selectContent = statement({
  name: 'fulfillment.select_order_content',
  params: { merchant: 'text', orders: 'text[]' },
  row: {
    order_id: 'text',
    revision: 'int4',
    order_digest: 'bytea',
    order_number: 'text',
    currency: 'text',
    ship_to: jsonOf<Readonly<Record<string, string>>>('the seal computes the order digest again'),
    lines: jsonOf<readonly RecordLine[]>('the seal computes the order digest again'),
    ship_by: 'timestamptz?',
    identity: 'text?',
    now: 'timestamptz',
  },
  text: `
    select order_id, revision, order_digest, order_number, currency, ship_to, lines, ship_by, identity,
           now() as now
      from fulfillment.received_order
     where merchant_id = $merchant and order_id = any($orders)`,
})

/** Takes the next numbers of a partner's gap-free sequence and keeps its row locked. */
export const takeSequence = statement({
  name: 'fulfillment.take_sequence',
  params: { merchant: 'text', partner: 'text', count: 'int4' },
  row: { first: 'int8' },
  text: `
    insert into fulfillment.lane (merchant_id, partner_id, next_sequence)
    values ($merchant, $partner, 1 + $count)
    on conflict (merchant_id, partner_id)
      do update set next_sequence = lane.next_sequence + $count
    returning next_sequence - $count as first`,
})

/** Keeps batches. */
export const insertBatches = statement({
  name: 'fulfillment.insert_batches',
  params: {
    merchant: 'text',
    partner: 'text',
    ids: 'text[]',
    orders: 'int4[]',
    provenance: 'text',
  },
  text: `
    insert into fulfillment.batch (merchant_id, id, partner_id, orders, provenance_id)
    select $merchant, b.id, $partner, b.orders, $provenance
      from (select unnest($ids) as id, unnest($orders) as orders) as b`,
})

/** Queues dispatches under the installation's fence epoch. */
export const insertDispatches = statement({
  name: 'fulfillment.insert_dispatches',
  params: {
    merchant: 'text',
    partner: 'text',
    ids: 'text[]',
    batches: 'text[]',
    revisions: 'int4[]',
    keys: 'text[]',
    digests: 'bytea[]',
    sequences: 'int8[]',
    promises: 'timestamptz?[]',
    provenance: 'text',
  },
  text: `
    insert into fulfillment.dispatch
      (merchant_id, id, partner_id, batch_id, revision, key, content_sha256, sequence, fence_epoch,
       ship_by, provenance_id)
    select $merchant, d.id, $partner, d.batch_id, d.revision, d.key, d.digest, d.sequence,
           i.fence_epoch, d.ship_by, $provenance
      from (select unnest($ids) as id, unnest($batches) as batch_id, unnest($revisions) as revision,
                   unnest($keys) as key, unnest($digests) as digest, unnest($sequences) as sequence,
                   unnest($promises) as ship_by) as d,
           platform.instance i`,
})

/** Writes the sealed bytes, once. */
export const insertBodies = statement({
  name: 'fulfillment.insert_sealed_bodies',
  params: {
    merchant: 'text',
    ids: 'text[]',
    bodies: 'bytea[]',
    proof_keys: 'text[]',
    proofs: 'bytea[]',
  },
  text: `
    insert into fulfillment.sealed_body (merchant_id, dispatch_id, bytes, proof_key_id, proof)
    select $merchant, b.id, b.bytes, b.proof_key_id, b.proof
      from (select unnest($ids) as id, unnest($bodies) as bytes, unnest($proof_keys) as proof_key_id,
                   unnest($proofs) as proof) as b`,
})

/** Claims each line for its dispatch; the partial unique index lets one live claim stand. */
export const insertClaims = statement({
  name: 'fulfillment.insert_line_claims',
  params: {
    merchant: 'text',
    dispatches: 'text[]',
    fulfillments: 'text[]',
    generations: 'int4[]',
    orders: 'text[]',
    decisions: 'text[]',
  },
  text: `
    insert into fulfillment.line_claim
      (merchant_id, fulfillment_id, generation, dispatch_id, order_id, decision_id, verdict)
    select $merchant, c.fulfillment_id, c.generation, c.dispatch_id, c.order_id, c.decision_id, 'clear'
      from (select unnest($dispatches) as dispatch_id, unnest($fulfillments) as fulfillment_id,
                   unnest($generations) as generation, unnest($orders) as order_id,
                   unnest($decisions) as decision_id) as c`,
})

/** Marks fulfillment orders as sealed in their dispatch. */
export const sealOrders = statement({
  name: 'fulfillment.seal_fulfillment_orders',
  params: { merchant: 'text', dispatches: 'text[]', fulfillments: 'text[]' },
  text: `
    with s as materialized (
      select $merchant as merchant_id, u.dispatch_id, u.fulfillment_id
        from (select unnest($dispatches) as dispatch_id, unnest($fulfillments) as fulfillment_id) as u
    )
    update fulfillment.fulfillment_order f
       set state = 'sealed', dispatch_id = s.dispatch_id, updated_at = now()
      from s
     where f.merchant_id = s.merchant_id and f.id = s.fulfillment_id and f.state = 'open'`,
})

/** The guard of ship-once, as the catalog of the database knows it. */
export const selectShipOnceIndex = statement({
  name: 'fulfillment.select_ship_once_index',
  params: {},
  row: { definition: 'text' },
  text: `
    select pg_get_indexdef(i.indexrelid) as definition
      from pg_index i
     where i.indexrelid = to_regclass('fulfillment.one_live_line')
       and i.indrelid = to_regclass('fulfillment.line_claim')
       and i.indisunique and i.indisvalid and i.indisready and i.indislive`,
})
