/**
 * The gate of a lane as SQL over `$merchant` and `$partner`: after a restore it is shut until the
 * partner's books were compared with ours and the lane was cleared for the new fence epoch.
 */
export const LANE_IS_CLEAR = `
  coalesce((select gate.cleared_epoch from fulfillment.lane gate
             where gate.merchant_id = $merchant and gate.partner_id = $partner), 1)
    = (select fence_epoch from platform.instance)`

/**
 * The gate of what is sealed and sent, over `$session` and `$wal` too: the lane is clear, this session has asked
 * the partner since the lane was last shut or resumed, and the database stands no earlier than the session has
 * seen it. A worker without a handshake finds nothing to seal and nothing to claim.
 */
export const LANE_IS_OPEN = `
  (${LANE_IS_CLEAR}
   and (select pg_current_wal_insert_lsn() - '0/0'::pg_lsn) >= $wal
   and exists (
     select from fulfillment.lane_handshake h
       join platform.instance i on i.fence_epoch = h.fence_epoch
       left join partners.partner p on p.merchant_id = h.merchant_id and p.id = h.partner_id
       left join fulfillment.lane gate
         on gate.merchant_id = h.merchant_id and gate.partner_id = h.partner_id
      where h.merchant_id = $merchant and h.partner_id = $partner and h.session = $session
        and h.opened_at > coalesce(gate.shut_at, '-infinity')
        and h.opened_at >= coalesce(p.resumed_at, '-infinity')))`
