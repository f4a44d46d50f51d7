import { read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'

const selectLanes = statement({
  name: 'fulfillment.select_lane_status',
  params: { merchant: 'text' },
  row: {
    partner_id: 'text',
    /** Null where the lane is open, as far as a process has said. */
    reason: 'text?',
    detail: 'text?',
    shut_since: 'timestamptz?',
    next_sequence: 'int8',
    unknown: 'int4',
  },
  text: `
    select p.id as partner_id,
           case when coalesce(l.cleared_epoch, 1) < i.fence_epoch then 'fence'
                else coalesce(l.shut_reason, w.reason) end as reason,
           case when l.shut_reason is null then w.detail end as detail,
           coalesce(l.shut_at, w.asked_at) as shut_since,
           coalesce(l.next_sequence, 1)::int8 as next_sequence,
           (select count(*)::int from fulfillment.unknown_fulfillment u
             where u.merchant_id = p.merchant_id and u.partner_id = p.id
               and u.state in ('open', 'held')) as unknown
      from partners.partner p
     cross join platform.instance i
      left join fulfillment.lane l on l.merchant_id = p.merchant_id and l.partner_id = p.id
      left join lateral (
        -- A process whose lane is shut asks again and again: what is older belongs to one that is gone.
        select h.reason, h.detail, h.asked_at from fulfillment.lane_handshake h
         where h.merchant_id = p.merchant_id and h.partner_id = p.id and h.opened_at is null
           and h.fence_epoch = i.fence_epoch and h.asked_at > now() - interval '2 minutes'
         order by h.asked_at desc limit 1) w on true
     where p.merchant_id = $merchant
     order by p.id`,
})

/** A partner's lane: open, or shut and why. */
export type LaneStatus = RowOf<typeof selectLanes.row>

/**
 * Every lane, by partner. `reason` is `fence` until its books were compared after a restore; `ahead` and
 * `foreign_past` as the handshake found; `no_answer` where a process waits for the partner's answer.
 */
export function listLanes(database: Database, merchant: string): Promise<readonly LaneStatus[]> {
  return read(database, selectLanes, { merchant })
}
