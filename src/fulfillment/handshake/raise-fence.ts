import { newId } from '#kernel/index.ts'
import type { CanonicalValue } from '#kernel/index.ts'
import { openCases } from '#cases/index.ts'
import { appendEvents, change, maybe, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { notifyWork } from '../fulfillment-statements.ts'
import { raiseFence } from './handshake-statements.ts'

/** What proves that this database is a copy of an earlier time. */
export type RestoreEvidence = {
  /** The epoch in which it was seen: of many processes that see it one raises the fence. */
  readonly epoch: number
  readonly actor: string
  /** One plain sentence. */
  readonly reason: string
  /** The partner whose answer shows it; absent where the mark does. */
  readonly partner?: string
  readonly facts: Readonly<Record<string, CanonicalValue>>
}

/**
 * Raises the fence on evidence: every lane is shut until its books were compared. Audited, one case, an error in
 * the log. The new epoch, or undefined where another process has raised it for this epoch.
 */
export async function raiseFenceOn(
  context: Context,
  evidence: RestoreEvidence,
): Promise<number | undefined> {
  const { merchant, database, log } = context
  const { actor, reason, facts, partner } = evidence
  const raised = await withTransaction(database, async (tx) => {
    const row = await maybe(tx, raiseFence, {
      merchant,
      audit: newId('aud'),
      actor,
      reason,
      evidence: JSON.stringify(facts),
      epoch: evidence.epoch,
    })
    const epoch = row?.raised ?? undefined
    if (epoch === undefined) return undefined
    await openCases(tx, merchant, actor, [
      {
        kind: 'database_restored',
        subjectId: `fence@${epoch}`,
        title: `${reason} Every lane is shut until the books of its partner were compared.`,
        evidence: { ...facts, fence_epoch: epoch },
        dueHours: 1,
        ...(partner === undefined ? {} : { partnerId: partner }),
      },
    ])
    const data = { fence_epoch: epoch, reason, partner_id: partner }
    await appendEvents(tx, merchant, [{ subjectId: 'instance', kind: 'fence.raised', data }])
    await change(tx, notifyWork, { topic: 'fulfillment' })
    return epoch
  })
  if (raised !== undefined) {
    log.error({ fence_epoch: raised, partner_id: partner, ...facts }, `page: ${reason}`)
  }
  return raised
}
