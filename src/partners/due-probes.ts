import { maybe, read, statement, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'

const claimDue = statement({
  name: 'partners.claim_due_probe',
  params: { merchant: 'text' },
  row: { id: 'text' },
  text: `
    update partners.partner
       set probe_due_at = now() + interval '10 minutes'
     where merchant_id = $merchant
       and id = (select id from partners.partner
                  where merchant_id = $merchant and probe_due_at <= now()
                  order by probe_due_at
                  limit 1
                    for update skip locked)
    returning id`,
})

const selectKept = statement({
  name: 'partners.select_kept_batches',
  params: { merchant: 'text', partner: 'text' },
  row: { batch_id: 'text', age_s: 'float8' },
  text: `
    select batch_id, extract(epoch from now() - measured_at)::float8 as age_s
      from partners.conformance
     where merchant_id = $merchant and partner_id = $partner and is_complete
       and grade_measured in ('A', 'B')
       and measured_at >= coalesce(
             (select max(measured_at) from partners.conformance
               where merchant_id = $merchant and partner_id = $partner and not is_key_kept),
             '-infinity')
     order by measured_at
     limit 100`,
})

/** The batch of an earlier probe, whose key the partner should still know. */
export type KeptBatch = { readonly batch: string; readonly ageS: number }

/**
 * Takes one partner whose canary is due, by database time. The claim holds ten minutes: a process
 * that dies over it leaves the probe to another one.
 */
export async function claimDueProbe({ database, merchant }: Context): Promise<string | undefined> {
  return (await withTransaction(database, (tx) => maybe(tx, claimDue, { merchant })))?.id
}

/** Batches of earlier probes of a partner, oldest first, since it last forgot one; at most 100. */
export async function keptBatches(
  { database, merchant }: Context,
  partner: string,
): Promise<readonly KeptBatch[]> {
  const rows = await read(database, selectKept, { merchant, partner })
  return rows.map((one) => ({ batch: one.batch_id, ageS: one.age_s }))
}
