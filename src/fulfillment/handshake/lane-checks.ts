/** What `verify` asks of lanes. */
export const LANE_INVARIANTS = [
  {
    name: 'every lane is open: none is shut by a fence or by what its partner has seen',
    sql: `select p.id as subject,
                 case when coalesce(l.cleared_epoch, 1) < i.fence_epoch then 'fence' else l.shut_reason end
                   as detail
            from partners.partner p
           cross join platform.instance i
            left join fulfillment.lane l on l.merchant_id = p.merchant_id and l.partner_id = p.id
           where p.merchant_id = $merchant
             and (coalesce(l.cleared_epoch, 1) < i.fence_epoch or l.shut_reason is not null)`,
  },
  {
    name: 'nothing was sealed while its lane was shut',
    sql: `select d.id as subject, 'sealed in epoch ' || d.fence_epoch || ', lane ' || l.partner_id as detail
            from fulfillment.dispatch d
            join fulfillment.lane l on l.merchant_id = d.merchant_id and l.partner_id = d.partner_id
           where d.merchant_id = $merchant and d.last_code is distinct from 'adopted'
             and (d.fence_epoch > l.cleared_epoch or d.sealed_at > l.shut_at)`,
  },
  {
    name: 'each order that a partner holds is known, or closed by a person',
    sql: `select fulfillment_id as subject, partner_id || ' holds it under ' || key || ', ' || state as detail
            from fulfillment.unknown_fulfillment
           where merchant_id = $merchant and state in ('open', 'held')`,
  },
] as const
