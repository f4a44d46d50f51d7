import { jsonOf, read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'
import type { Difference } from './compare-manifest.ts'

const selectRuns = statement({
  name: 'reconciliation.select_runs',
  params: { merchant: 'text', partner: 'text?', before: 'text?', limit: 'int4' },
  row: {
    id: 'text',
    partner_id: 'text',
    cause: 'text',
    actor: 'text',
    result: 'text',
    code: 'text?',
    fence_epoch: 'int4',
    after_sequence: 'int8',
    ours: 'int4',
    theirs: 'int4',
    matched: 'int4',
    pending: 'int4',
    lost: 'int4',
    phantom: 'int4',
    differing: 'int4',
    adopted: 'int4',
    released: 'int4',
    differences: jsonOf<readonly Difference[]>('shown as it stands: nothing is decided by it'),
    started_at: 'timestamptz',
    finished_at: 'timestamptz',
  },
  text: `
    select id, partner_id, cause, actor, result, code, fence_epoch, after_sequence, ours, theirs, matched,
           pending, lost, phantom, differing, adopted, released, differences, started_at, finished_at
      from reconciliation.run
     where merchant_id = $merchant and ($partner is null or partner_id = $partner)
       and ($before is null or id < $before)
     order by id desc
     limit $limit`,
})

/** One comparison as it was written down; at most its first 100 differences. */
export type RunRow = RowOf<typeof selectRuns.row>

/** Comparisons with partners' manifests, newest first. */
export async function listRuns(
  database: Database,
  merchant: string,
  page: {
    readonly partner?: string | undefined
    readonly before?: string | undefined
    readonly limit: number
  },
): Promise<readonly RunRow[]> {
  const { partner = null, before = null, limit } = page
  return read(database, selectRuns, { merchant, partner, before, limit })
}
