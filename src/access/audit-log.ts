import { read, statement } from '#platform/index.ts'
import type { Database } from '#platform/index.ts'

const listAudit = statement({
  name: 'access.list_audit',
  params: { merchant: 'text', before: 'text?', limit: 'int4' },
  row: {
    id: 'text',
    at: 'timestamptz',
    actor: 'text',
    action: 'text',
    subject_id: 'text',
    reason: 'text?',
    before: 'jsonb',
    after: 'jsonb',
  },
  text: `
    select id, at, actor, action, subject_id, reason, before, after from platform.audit
     where merchant_id = $merchant and ($before is null or id < $before)
     order by id desc limit $limit`,
})

/** The audit table, newest first; at most `limit` before the id `before`. */
export function listAuditEntries(
  database: Database,
  merchant: string,
  page: { readonly before: string | undefined; readonly limit: number },
) {
  return read(database, listAudit, { merchant, before: page.before ?? null, limit: page.limit })
}
