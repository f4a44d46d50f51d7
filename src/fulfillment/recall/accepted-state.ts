/**
 * What a dispatch that its partner accepted is called, as SQL over a dispatch `d`: `accepted`, unless
 * lines of it are asked back or were.
 */
export const ACCEPTED_STATE = `
  coalesce((select case when bool_or(r.state in ('requested', 'in_progress', 'unknown_order')) then 'recalling'
                        when bool_or(r.state = 'recalled') then 'recall_partial'
                        when bool_or(r.state = 'too_late') then 'too_late' end
              from fulfillment.recall_line r
             where r.merchant_id = d.merchant_id and r.dispatch_id = d.id), 'accepted')`

/** True, as SQL over a dispatch `d`, where a line of it is asked back: it is not sent meanwhile. */
export const IS_ASKED_BACK = `
  exists (select from fulfillment.recall_line r
           where r.merchant_id = d.merchant_id and r.dispatch_id = d.id
             and r.state in ('requested', 'in_progress'))`
