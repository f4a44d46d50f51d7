import { jsonOf, statement } from '#platform/index.ts'
import type { OrderLine } from '../order-line.ts'

/** Claims Idempotency-Keys, sorted; a key that is taken returns no row. Waits for a twin in flight. */
export const claimKeys = statement({
  name: 'orders.claim_keys',
  params: {
    merchant: 'text',
    scopes: 'text[]',
    keys: 'text[]',
    requests: 'bytea[]',
    orders: 'text[]',
  },
  row: { scope: 'text', key: 'text' },
  text: `
    insert into orders.idempotency_key (merchant_id, scope, key, request_sha256, order_id)
    select $merchant, k.scope, k.key, k.request, k.order_id
      from (select unnest($scopes) as scope, unnest($keys) as key, unnest($requests) as request,
                   unnest($orders) as order_id) as k
     order by k.scope, k.key
    on conflict do nothing
    returning scope, key`,
})

/** As `claimKeys`, for keys that nobody is expected to have used: one that is taken fails the transaction. */
export const claimUnusedKeys = statement({
  name: 'orders.claim_unused_keys',
  params: claimKeys.params,
  row: { holds: 'bool' },
  text: `
    with claimed as (
      insert into orders.idempotency_key (merchant_id, scope, key, request_sha256, order_id)
      select $merchant, k.scope, k.key, k.request, k.order_id
        from (select unnest($scopes) as scope, unnest($keys) as key, unnest($requests) as request,
                     unnest($orders) as order_id) as k
       order by k.scope, k.key
      on conflict do nothing
      returning 1
    )
    select platform.hold_or_fail(count(*) = cardinality($keys), 'unused keys') as holds from claimed`,
})

/** What taken keys stand for. */
export const selectKeys = statement({
  name: 'orders.select_keys',
  params: { merchant: 'text', scopes: 'text[]', keys: 'text[]' },
  row: { scope: 'text', key: 'text', request_sha256: 'bytea', order_id: 'text' },
  text: `
    select i.scope, i.key, i.request_sha256, i.order_id
      from orders.idempotency_key i
      join (select unnest($scopes) as scope, unnest($keys) as key) as k on i.scope = k.scope and i.key = k.key
     where i.merchant_id = $merchant`,
})

/** Claims merchant references, sorted; one that is taken returns no row. */
export const claimReferences = statement({
  name: 'orders.claim_references',
  params: { merchant: 'text', refs: 'text[]', contents: 'bytea[]', orders: 'text[]' },
  row: { reference: 'text' },
  text: `
    insert into orders.order_reference (merchant_id, reference, order_id, content_sha256)
    select $merchant, r.reference, r.order_id, r.content
      from (select unnest($refs) as reference, unnest($contents) as content, unnest($orders) as order_id) as r
     order by r.reference
    on conflict do nothing
    returning reference`,
})

/** What taken references stand for. */
export const selectReferences = statement({
  name: 'orders.select_references',
  params: { merchant: 'text', refs: 'text[]' },
  row: { reference: 'text', order_id: 'text', content_sha256: 'bytea' },
  text: `
    select reference, order_id, content_sha256 from orders.order_reference
     where merchant_id = $merchant and reference = any($refs)`,
})

/** Placed orders with their first decision: what the first answer said, so that a replay says it again. */
export const selectPlaced = statement({
  name: 'orders.select_placed',
  params: { merchant: 'text', ids: 'text[]' },
  row: {
    id: 'text',
    order_number: 'text',
    reference: 'text?',
    currency: 'text',
    total_minor: 'int8',
    lines: jsonOf<readonly OrderLine[]>('shown as it stands: nothing is decided by it'),
    verdict: 'text?',
    reasons: 'text[]?',
    ship_by: 'timestamptz?',
  },
  text: `
    select o.id, o.order_number, o.reference, o.currency, o.total_minor, o.lines, d.verdict, d.reasons,
           o.ship_by
      from orders."order" o
      left join lateral (select verdict, reasons from orders.decision
                          where merchant_id = o.merchant_id and order_id = o.id and number = 1
                          limit 1) d on true
     where o.merchant_id = $merchant and o.id = any($ids)`,
})

/** Orders, in one statement for the whole batch. */
export const insertOrders = statement({
  name: 'orders.insert_orders',
  params: {
    merchant: 'text',
    ids: 'text[]',
    numbers: 'text[]',
    refs: 'text?[]',
    sources: 'text[]',
    customers: 'text?[]',
    countries: 'text?[]',
    currencies: 'text[]',
    lines: 'text[]',
    charges: 'text?[]',
    goods: 'int8[]',
    totals: 'int8[]',
    ship_tos: 'text[]',
    digests: 'bytea[]',
    placed: 'text[]',
    ship_bys: 'timestamptz[]',
    promise_versions: 'int4?[]',
    identities: 'text[]',
  },
  text: `
    insert into orders."order"
      (merchant_id, id, order_number, reference, source, customer, country, currency, lines, charges,
       goods_minor, total_minor, ship_to, order_digest, placed_at, ship_by, promise_version,
       identity)
    select $merchant, o.id, o.number, o.reference, o.source, o.customer, o.country, o.currency,
           o.lines::jsonb, o.charges::jsonb, o.goods, o.total, o.ship_to::jsonb, o.digest, o.placed::timestamptz,
           o.ship_by, o.promise_version, o.identity
      from (select unnest($ids) as id, unnest($numbers) as number, unnest($refs) as reference,
                   unnest($sources) as source, unnest($customers) as customer,
                   unnest($countries) as country, unnest($currencies) as currency, unnest($lines) as lines,
                   unnest($charges) as charges, unnest($goods) as goods, unnest($totals) as total,
                   unnest($ship_tos) as ship_to, unnest($digests) as digest, unnest($placed) as placed,
                   unnest($ship_bys) as ship_by, unnest($promise_versions) as promise_version,
                   unnest($identities) as identity) as o`,
})
