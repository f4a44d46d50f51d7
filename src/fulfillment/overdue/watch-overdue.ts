import { openCases, resolveCasesAbout } from '#cases/index.ts'
import type { NewCase } from '#cases/index.ts'
import { appendEvents, many, withTransaction } from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import { raiseOverdue, settleOverdue } from './overdue-statements.ts'

type Waits = keyof typeof raiseOverdue
type Overdue = RowOf<(typeof raiseOverdue)['dispatch']['row']>

/** Rows that one turn takes of each kind. */
const TURN_MAX = 100
const ACTOR = 'overdue'
const KINDS = { dispatch: 'overdue_dispatch', recall: 'overdue_recall' } as const

/**
 * One turn over the dispatches, or the recalls, that wait for a person (HDP/1 §1.6): one that is
 * `needs_operator` or `quarantined` becomes a case fifteen minutes after it was last tried, and with it an
 * event and an error in the log. Once answered, its case closes; what is tried again and comes to wait
 * anew is told anew. Answers how many it moved, so that a full turn is followed by another.
 */
export async function watchOverdue(context: Context, waits: Waits): Promise<number> {
  // Answers first: what was answered and waits again is settled before it is raised anew.
  return (await settle(context, waits)) + (await raise(context, waits))
}

async function raise({ database, merchant, log }: Context, waits: Waits): Promise<number> {
  const raised = await withTransaction(database, async (tx) => {
    const rows = await many(tx, raiseOverdue[waits], { merchant, limit: TURN_MAX })
    await openCases(
      tx,
      merchant,
      ACTOR,
      rows.map((one) => caseOf(waits, one)),
    )
    await appendEvents(
      tx,
      merchant,
      rows.map(({ id, state, last_code }) => ({
        subjectId: id,
        kind: `${waits}.overdue`,
        data: { state, code: last_code },
      })),
    )
    return rows
  })
  for (const { dispatch_id, partner_id, state } of raised)
    log.error(
      { code: KINDS[waits], dispatch_id, partner_id, state },
      `a ${waits} waits for a person and was not tried for more than fifteen minutes`,
    )
  return raised.length
}

function caseOf(waits: Waits, one: Overdue): NewCase {
  const { amount, currency } = one
  return {
    kind: KINDS[waits],
    subjectId: one.id,
    partnerId: one.partner_id,
    title: `${TITLES[waits]} ${one.id} to ${one.partner_id} is ${one.state} (${one.last_code ?? 'no code'}) and waits for a person; it was last tried at ${one.since.toISOString()}.`,
    evidence: {
      dispatch: one.dispatch_id,
      batch: one.batch_id,
      state: one.state,
      attempt: one.attempt,
      last_code: one.last_code,
      orders: one.orders,
    },
    dueHours: 1,
    ...(amount !== null && currency !== null ? { money: { amount, currency } } : {}),
  }
}

const TITLES = { dispatch: 'Dispatch', recall: 'Recall' } as const

async function settle({ database, merchant }: Context, waits: Waits): Promise<number> {
  return withTransaction(database, async (tx) => {
    const over = await many(tx, settleOverdue[waits], { merchant, limit: TURN_MAX })
    await closeCases(tx, merchant, waits, over)
    await appendEvents(
      tx,
      merchant,
      over.map(({ id, state }) => ({
        subjectId: id,
        kind: `${waits}.overdue_settled`,
        data: { state },
      })),
    )
    return over.length
  })
}

async function closeCases(
  tx: Transaction,
  merchant: string,
  waits: Waits,
  over: readonly { readonly id: string; readonly state: string }[],
): Promise<void> {
  for (const [state, rows] of Map.groupBy(over, (one) => one.state)) {
    await resolveCasesAbout(tx, merchant, {
      kind: KINDS[waits],
      subjects: rows.map((one) => one.id),
      actor: ACTOR,
      outcome: `It was answered, and is ${state} now.`,
    })
  }
}
