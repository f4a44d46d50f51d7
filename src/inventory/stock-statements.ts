import { statement } from '#platform/index.ts'

// An array behind a `select` hides its length from the planner. Where it shows, PostgreSQL takes the
// plan for one small batch for cheaper than the general one and plans again at each use: 0.3 ms a batch.

/**
 * Locks the stock rows of some SKUs in the one global order (sku, location), so that no two
 * transactions can wait for each other. Everything that moves stock starts here.
 */
export const lockStock = statement({
  name: 'inventory.lock_stock',
  params: { merchant: 'text', skus: 'text[]' },
  row: {
    sku: 'text',
    location_id: 'text',
    available: 'int8',
    on_hand: 'int8',
    shortfall: 'int8',
    is_quarantined: 'bool',
  },
  text: `
    select sku, location_id, available, on_hand, shortfall, quarantined_at is not null as is_quarantined
      from inventory.stock
     where merchant_id = $merchant and sku = any((select $skus)::text[])
     order by sku, location_id
       for update`,
})

// In set-based updates the merchant comes out of the materialized set: on a table without statistics
// PostgreSQL takes one merchant for few rows, and would compare every row with every item of the set.

/**
 * A sale: units go from available to reserved where there are enough and the SKU is not in
 * quarantine, and the ledger gets its rows in the same statement. Fails where one did not give.
 */
export const takeStock = statement({
  name: 'inventory.take_stock',
  params: {
    merchant: 'text',
    skus: 'text[]',
    locations: 'text[]',
    units: 'int8[]',
    subjects: 'text[]',
    lines: 'int4[]',
    line_locations: 'text[]',
    line_skus: 'text[]',
    line_units: 'int8[]',
  },
  row: { taken: 'int8' },
  text: `
    with d as materialized (
      select $merchant as merchant_id, u.sku, u.location_id, u.units
        from (select unnest((select $skus)) as sku, unnest((select $locations)) as location_id,
                     unnest((select $units)) as units) as u
    ), taken as (
      update inventory.stock s
         set available = s.available - d.units, reserved = s.reserved + d.units
        from d
       where s.merchant_id = d.merchant_id and s.sku = d.sku and s.location_id = d.location_id
         and s.available >= d.units and s.quarantined_at is null
      returning 1
    ), ledger as (
      insert into inventory.movement
        (merchant_id, subject_id, line_no, location_id, kind, source_id, sku, on_hand_delta, reserved_delta)
      select $merchant, m.subject_id, m.line_no, m.location_id, 'reserve', '', m.sku, 0, m.units
        from (select unnest($subjects) as subject_id, unnest($lines) as line_no,
                     unnest($line_locations) as location_id, unnest($line_skus) as sku,
                     unnest($line_units) as units) as m
    )
    select inventory.take_or_fail(count(*), cardinality($skus)) as taken from taken`,
})

/**
 * Every other move: deltas on the physical book and on what is reserved. What a physical fact takes
 * beyond the free stock becomes shortfall; a book below zero puts the row into quarantine.
 */
export const moveStock = statement({
  name: 'inventory.move_stock',
  params: {
    merchant: 'text',
    skus: 'text[]',
    locations: 'text[]',
    on_hand: 'int8[]',
    reserved: 'int8[]',
  },
  row: { sku: 'text', location_id: 'text', on_hand: 'int8', available: 'int8' },
  text: `
    with d as materialized (
      select $merchant as merchant_id, u.sku, u.location_id, u.on_hand, u.reserved
        from (select unnest($skus) as sku, unnest($locations) as location_id, unnest($on_hand) as on_hand,
                     unnest($reserved) as reserved) as u
    )
    update inventory.stock s
       set on_hand = s.on_hand + d.on_hand,
           reserved = s.reserved + d.reserved,
           available = greatest(s.on_hand + d.on_hand - s.reserved - d.reserved, 0),
           shortfall = greatest(s.reserved + d.reserved - s.on_hand - d.on_hand, 0)
      from d
     where s.merchant_id = d.merchant_id and s.sku = d.sku and s.location_id = d.location_id
    returning s.sku, s.location_id, s.on_hand, s.available`,
})

/** Ledger rows. A fact that is already there is a broken invariant: callers check before. */
export const insertMovements = statement({
  name: 'inventory.insert_movements',
  params: {
    merchant: 'text',
    subjects: 'text[]',
    lines: 'int4[]',
    locations: 'text[]',
    kinds: 'text[]',
    sources: 'text[]',
    skus: 'text[]',
    on_hand: 'int8[]',
    reserved: 'int8[]',
  },
  text: `
    insert into inventory.movement
      (merchant_id, subject_id, line_no, location_id, kind, source_id, sku, on_hand_delta, reserved_delta)
    select $merchant, m.subject_id, m.line_no, m.location_id, m.kind, m.source_id, m.sku, m.on_hand, m.reserved
      from (select unnest($subjects) as subject_id, unnest($lines) as line_no,
                   unnest($locations) as location_id, unnest($kinds) as kind, unnest($sources) as source_id,
                   unnest($skus) as sku, unnest($on_hand) as on_hand, unnest($reserved) as reserved) as m`,
})

/** What is still reserved, line by line, for some orders or checkouts: a sum over the ledger. */
export const openReservations = statement({
  name: 'inventory.open_reservations',
  params: { merchant: 'text', subjects: 'text[]' },
  row: { subject_id: 'text', line_no: 'int4', location_id: 'text', sku: 'text', units: 'int8' },
  text: `
    select subject_id, line_no, location_id, sku, sum(reserved_delta)::int8 as units
      from inventory.movement
     where merchant_id = $merchant and subject_id = any($subjects)
     group by subject_id, line_no, location_id, sku
    having sum(reserved_delta) > 0
     order by subject_id, line_no, location_id`,
})

/** The SKUs that some orders or checkouts ever reserved: what must be locked before a release. */
export const reservedSkus = statement({
  name: 'inventory.reserved_skus',
  params: { merchant: 'text', subjects: 'text[]' },
  row: { sku: 'text' },
  text: `
    select distinct sku from inventory.movement
     where merchant_id = $merchant and subject_id = any($subjects) and kind = 'reserve'`,
})

/** Withdraws SKUs from sale at every location until somebody explains their stock. */
export const quarantineSkus = statement({
  name: 'inventory.quarantine_skus',
  params: { merchant: 'text', skus: 'text[]' },
  text: `
    update inventory.stock set quarantined_at = now()
     where merchant_id = $merchant and sku = any($skus) and quarantined_at is null`,
})

/** Makes the stock rows of (SKU, location) pairs that have none yet, all counters at zero. */
export const ensureStockRows = statement({
  name: 'inventory.ensure_stock_rows',
  params: { merchant: 'text', skus: 'text[]', locations: 'text[]' },
  text: `
    insert into inventory.stock (merchant_id, sku, location_id)
    select distinct $merchant, d.sku, d.location_id
      from (select unnest($skus) as sku, unnest($locations) as location_id) as d
     order by d.sku, d.location_id
    on conflict do nothing`,
})
