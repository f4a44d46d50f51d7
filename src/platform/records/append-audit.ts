import { newId } from '#kernel/index.ts'
import { change } from '../database/database.ts'
import type { Transaction } from '../database/database.ts'
import { statement } from '../database/statement.ts'

/** One row of the audit table: who did what to which thing, why, and its state before and after. */
export type AuditEntry = {
  readonly actor: string
  readonly action: string
  readonly subjectId: string
  readonly reason?: string
  readonly before?: unknown
  readonly after?: unknown
}

const insertAudit = statement({
  name: 'platform.insert_audit',
  params: {
    merchant: 'text',
    id: 'text',
    actor: 'text',
    action: 'text',
    subject: 'text',
    reason: 'text?',
    before: 'text?',
    after: 'text?',
  },
  text: `
    insert into platform.audit (merchant_id, id, actor, action, subject_id, reason, before, after)
    values ($merchant, $id, $actor, $action, $subject, $reason, $before::jsonb, $after::jsonb)`,
})

/** Writes the audit row in the transaction of the act. `before` and `after` never hold secrets. */
export async function appendAudit(
  tx: Transaction,
  merchant: string,
  entry: AuditEntry,
): Promise<void> {
  await change(tx, insertAudit, {
    merchant,
    id: newId('aud'),
    actor: entry.actor,
    action: entry.action,
    subject: entry.subjectId,
    reason: entry.reason ?? null,
    before: entry.before === undefined ? null : JSON.stringify(entry.before),
    after: entry.after === undefined ? null : JSON.stringify(entry.after),
  })
}
