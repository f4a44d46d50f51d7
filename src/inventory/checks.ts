import { statement } from '#platform/index.ts'

const VIOLATION = { subject: 'text', detail: 'text' } as const

/** Invariants of the stock books, for `holdfast verify`: each statement returns what breaks it. */
export const inventoryChecks = [
  {
    claim: 'every stock counter equals the sum of its ledger',
    find: statement({
      name: 'inventory.check_counters',
      params: { merchant: 'text' },
      row: VIOLATION,
      text: `
        select coalesce(s.sku, m.sku) || ' at ' || coalesce(s.location_id, m.location_id) as subject,
               'counter ' || coalesce(s.on_hand, 0) || '/' || coalesce(s.reserved, 0)
                 || ' ledger ' || coalesce(m.on_hand, 0) || '/' || coalesce(m.reserved, 0) as detail
          from (select sku, location_id, on_hand, reserved from inventory.stock where merchant_id = $merchant) s
          full join (select sku, location_id, sum(on_hand_delta) as on_hand, sum(reserved_delta) as reserved
                       from inventory.movement where merchant_id = $merchant group by sku, location_id) m
            on m.sku = s.sku and m.location_id = s.location_id
         where coalesce(s.on_hand, 0) <> coalesce(m.on_hand, 0)
            or coalesce(s.reserved, 0) <> coalesce(m.reserved, 0)
         limit 100`,
    }),
  },
  {
    claim: 'nothing was released or issued beyond what was reserved',
    find: statement({
      name: 'inventory.check_over_released',
      params: { merchant: 'text' },
      row: VIOLATION,
      text: `
        select subject_id || ' line ' || line_no as subject, 'open ' || sum(reserved_delta) as detail
          from inventory.movement
         where merchant_id = $merchant
         group by subject_id, line_no, location_id
        having sum(reserved_delta) < 0
         limit 100`,
    }),
  },
] as const
