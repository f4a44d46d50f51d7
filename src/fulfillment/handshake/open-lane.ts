import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { findPartner } from '#partners/index.ts'
import {
  appendAudit,
  appendEvents,
  change,
  maybe,
  read,
  statement,
  transact,
} from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { resolveCasesAbout } from '#cases/index.ts'
import { notifyWork } from '../fulfillment-statements.ts'
import { selectHandshake } from './handshake-statements.ts'
import { raiseFenceOn } from './raise-fence.ts'

const acceptPast = statement({
  name: 'fulfillment.accept_foreign_past',
  params: { merchant: 'text', partner: 'text', upto: 'int8' },
  row: { next_sequence: 'int8' },
  text: `
    update fulfillment.lane
       set past_upto = greatest(past_upto, $upto), next_sequence = greatest(next_sequence, $upto + 1),
           shut_at = null, shut_reason = null
     where merchant_id = $merchant and partner_id = $partner and shut_reason is not null
    returning next_sequence`,
})

const selectShut = statement({
  name: 'fulfillment.select_shut_lane',
  params: { merchant: 'text', partner: 'text' },
  row: { reason: 'text', upto: 'int8' },
  text: `
    select l.shut_reason as reason,
           coalesce((select (e.data->>'upto')::int8
                       from cases."case" c
                       join cases.entry e on e.merchant_id = c.merchant_id and e.case_id = c.id
                      where c.merchant_id = $merchant and c.kind = 'database_restored'
                        and c.subject_id = l.shut_reason || ':' || l.partner_id
                        and e.kind = 'evidence' and e.data ? 'upto'
                      order by e.id desc limit 1), 0)::int8 as upto
      from fulfillment.lane l
     where l.merchant_id = $merchant and l.partner_id = $partner and l.shut_reason is not null`,
})

/** Whose the dispatches are that a partner has and this database does not know. */
export type PastOwner = 'ours' | 'other'

/**
 * Opens a lane that was shut alone, on the word of a person. `ours`: this database is a copy of an earlier time;
 * the fence is raised and every lane is compared. `other`: they are another installation's; this one counts on
 * behind them, and the lane opens with the next handshake. Audited. Refused: `partner_unknown`, and
 * `dispatch_state` where the lane is not shut by a past.
 */
export async function openForeignLane(
  context: Context,
  wish: {
    readonly partner: string
    readonly past: PastOwner
    readonly actor: string
    readonly reason: string
  },
): Promise<Outcome<{ readonly past: PastOwner; readonly upto: number }>> {
  const { merchant, database } = context
  const { partner, past, actor, reason } = wish
  if (!(await findPartner(database, merchant, partner))) {
    return refuse('partner_unknown', `No partner ${partner}.`)
  }
  const [shut] = await read(database, selectShut, { merchant, partner })
  if (!shut) return refuse('dispatch_state', `The lane of ${partner} is not shut by a past.`)
  if (past === 'ours') {
    const [now] = await read(database, selectHandshake, { merchant, partner })
    const facts = { partner, upto: shut.upto, said_by: actor }
    const fence = { epoch: now?.fence_epoch ?? 0, actor, partner, reason, facts }
    await raiseFenceOn(context, fence)
    return accept({ past, upto: shut.upto })
  }
  return transact(database, async (tx) => {
    const opened = await maybe(tx, acceptPast, { merchant, partner, upto: shut.upto })
    if (!opened) return refuse('dispatch_state', `The lane of ${partner} is not shut by a past.`)
    const after = { past, upto: shut.upto, next_sequence: opened.next_sequence }
    await resolveCasesAbout(tx, merchant, {
      kind: 'database_restored',
      subjects: [`${shut.reason}:${partner}`],
      actor,
      outcome: reason,
    })
    await appendEvents(tx, merchant, [
      { subjectId: partner, kind: 'lane.past_accepted', data: after },
    ])
    await appendAudit(tx, merchant, {
      actor,
      action: 'lane.open',
      subjectId: partner,
      reason,
      after,
    })
    await change(tx, notifyWork, { topic: 'fulfillment' })
    return accept({ past, upto: shut.upto })
  })
}
