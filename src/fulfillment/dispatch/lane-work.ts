import { statement } from '#platform/index.ts'
import { IS_STOPPED_BY_PROMISE } from '../promise/near-promise.ts'
import { LANE_IS_OPEN } from '../reconcile/lane-gate.ts'

// The first of what is open, by its index: an EXISTS reads the whole table where statistics still know of
// much that was open.
/** What a partner's lane has to do now, in one cheap look. */
export const selectLaneWork = statement({
  name: 'fulfillment.select_lane_work',
  params: { merchant: 'text', partner: 'text', session: 'text', wal: 'int8' },
  row: {
    /** Whether the lane is open for this session. */
    is_open: 'bool',
    next_sequence: 'int8',
    system: 'text',
    timeline: 'int4',
    /** Bytes of WAL that are durable, and that are written. */
    flushed: 'int8',
    inserted: 'int8',
    unsettled: 'int4',
    is_expired: 'bool',
    is_unknown_due: 'bool',
    is_queued_due: 'bool',
    is_near: 'bool',
    is_open_due: 'bool',
    is_recalling: 'bool',
  },
  text: `
    select count(*)::int as unsettled, ${LANE_IS_OPEN} as is_open,
           coalesce((select l.next_sequence from fulfillment.lane l
                      where l.merchant_id = $merchant and l.partner_id = $partner), 1)::int8 as next_sequence,
           (select system_identifier::text from pg_control_system()) as system,
           ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int4 as timeline,
           (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::int8 as flushed,
           (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8 as inserted,
           coalesce(bool_or(state = 'sending' and lease_until < now()), false) as is_expired,
           coalesce(bool_or(state = 'unknown' and next_attempt_at <= now()), false) as is_unknown_due,
           coalesce(bool_or(state = 'queued' and next_attempt_at <= now()), false) as is_queued_due,
           coalesce(bool_or(state = 'queued' and ${IS_STOPPED_BY_PROMISE}), false) as is_near,
           coalesce((select f.effective_at from fulfillment.fulfillment_order f
                      where f.merchant_id = $merchant and f.partner_id = $partner and f.state = 'open'
                      order by f.effective_at limit 1) <= now(), false) as is_open_due,
           exists (select from fulfillment.recall_line
                    where merchant_id = $merchant and partner_id = $partner
                      and state in ('requested', 'in_progress')) as is_recalling
      from fulfillment.dispatch d
     where merchant_id = $merchant and partner_id = $partner
       and state in ('queued', 'sending', 'unknown')`,
})
