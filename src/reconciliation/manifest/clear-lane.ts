import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { releaseFrozen } from '#fulfillment/index.ts'
import { findPartner } from '#partners/index.ts'
import { maybe, statement, transact } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'

const countFrozen = statement({
  name: 'reconciliation.count_frozen',
  params: { merchant: 'text', partner: 'text' },
  row: { frozen: 'int4', fence_epoch: 'int4' },
  text: `
    select i.fence_epoch,
           (select count(*)::int from fulfillment.dispatch d
             where d.merchant_id = $merchant and d.partner_id = $partner
               and d.fence_epoch < i.fence_epoch
               and d.state in ('queued', 'sending', 'unknown', 'needs_operator', 'quarantined')) as frozen
      from platform.instance i`,
})

/**
 * Opens a lane after a restore on the word of a person, for a partner without a manifest. Every
 * dispatch that the restore froze must have been answered first (`dispatch_state` otherwise): nobody
 * else can know whether it was sent. Refused: `partner_unknown`.
 */
export async function clearLane(
  context: Context,
  wish: { readonly partner: string; readonly actor: string; readonly reason: string },
): Promise<Outcome<{ readonly wasShut: boolean }>> {
  const { merchant, database } = context
  if (!(await findPartner(database, merchant, wish.partner))) {
    return refuse('partner_unknown', `No partner ${wish.partner}.`)
  }
  return transact(database, async (tx) => {
    const left = await maybe(tx, countFrozen, { merchant, partner: wish.partner })
    if (left && left.frozen > 0) {
      const detail = `${left.frozen} dispatches of ${wish.partner} wait for an answer: ask it, and resolve each.`
      return refuse('dispatch_state', detail)
    }
    const epoch = left?.fence_epoch ?? 0
    const released = await releaseFrozen(tx, merchant, { ...wish, epoch, known: [] })
    return accept({ wasShut: released !== undefined })
  })
}
