import { setTimeout as pause } from 'node:timers/promises'
import { many, statement, withTransaction } from '#platform/index.ts'
import type { Context, RowOf } from '#platform/index.ts'
import { reconcileShipments } from './reconcile-shipments.ts'
import type { ReconcileDeps } from './reconcile-shipments.ts'

const ensureSchedule = statement({
  name: 'reconciliation.ensure_schedule',
  params: { merchant: 'text' },
  text: `
    insert into reconciliation.schedule (merchant_id, partner_id, cadence, due_at)
    select p.merchant_id, p.id, c.cadence,
           case c.cadence when 'nightly' then date_trunc('day', now()) + interval '1 day 2 hours'
                          else now() end
      from partners.partner p, (values ('quarter_hour'), ('nightly')) as c(cadence)
     where p.merchant_id = $merchant
        on conflict do nothing`,
})

const claimDue = statement({
  name: 'reconciliation.claim_due',
  params: { merchant: 'text' },
  row: { partner_id: 'text', cadence: 'text' },
  text: `
    with due as (
      select s.merchant_id, s.partner_id, s.cadence
        from reconciliation.schedule s, platform.instance i
       where s.merchant_id = $merchant
         and (s.due_at <= now()
           -- A lane that a restore shut is looked at every minute.
           or (s.cadence = 'quarter_hour' and s.due_at <= now() + interval '14 minutes'
               and coalesce((select l.cleared_epoch from fulfillment.lane l
                              where l.merchant_id = s.merchant_id and l.partner_id = s.partner_id), 1)
                     < i.fence_epoch))
       order by s.due_at
       limit 1
         for update of s skip locked
    )
    update reconciliation.schedule s
       set due_at = case s.cadence when 'nightly' then date_trunc('day', now()) + interval '1 day 2 hours'
                                   else now() + interval '15 minutes' end
      from due
     where s.merchant_id = due.merchant_id and s.partner_id = due.partner_id
       and s.cadence = due.cadence
    returning s.partner_id, s.cadence`,
})

/** A running schedule; `stop` resolves when the comparison under way is written down. */
export type ReconciliationWorker = { readonly stop: () => Promise<void> }

const POLL_MS = 15_000

/**
 * Compares every partner with our books every quarter of an hour and each night at 02:00 UTC. Due
 * times are in the database, so that any number of workers share them and none is forgotten.
 */
export function startReconciliation(
  deps: ReconcileDeps,
  options: { readonly pollMs?: number } = {},
): ReconciliationWorker {
  const stopping = new AbortController()
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        while (!stopping.signal.aborted && (await reconcileDue(deps)));
      } catch (fault) {
        deps.context.log.error({ fault: String(fault) }, 'a comparison with a partner failed')
      }
      await pause(options.pollMs ?? POLL_MS, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }
  const running = loop()
  return {
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}

/** Does the comparison that is due longest; false where none is. */
export async function reconcileDue(deps: ReconcileDeps): Promise<boolean> {
  const due = await claim(deps.context)
  if (!due) return false
  const cause = due.cadence === 'nightly' ? 'nightly' : 'quarter_hour'
  await reconcileShipments(deps, { partner: due.partner_id, cause, actor: 'reconciliation' })
  return true
}

async function claim({
  database,
  merchant,
}: Context): Promise<RowOf<typeof claimDue.row> | undefined> {
  return withTransaction(database, async (tx) => {
    await many(tx, ensureSchedule, { merchant })
    return (await many(tx, claimDue, { merchant }))[0]
  })
}
