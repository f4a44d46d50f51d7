/**
 * The gate of a lane as SQL over `$merchant` and `$partner`: after a restore it is shut until the
 * partner's books were compared with ours and the lane was cleared for the new fence epoch.
 */
export const LANE_IS_CLEAR = `
  coalesce((select gate.cleared_epoch from fulfillment.lane gate
             where gate.merchant_id = $merchant and gate.partner_id = $partner), 1)
    = (select fence_epoch from platform.instance)`
