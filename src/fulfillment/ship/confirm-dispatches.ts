import { many } from '#platform/index.ts'
import type { NewEvent, RowOf, Transaction } from '#platform/index.ts'
import { writeAnswers } from '../dispatch/complete-dispatch.ts'
import type { ToldAcceptance } from './acceptance-evidence.ts'
import { selectByKey, settleInDoubt } from './inbox-statements.ts'

/** The orders that a partner says it took under a key. */
export type ReportedAcceptance = {
  readonly partner: string
  readonly dispatchKey: string
  readonly fulfillments: readonly string[]
}

type Known = RowOf<typeof selectByKey.row>

/**
 * A signed acceptance of exactly our orders settles a dispatch in doubt; else it only confirms. Orders
 * that the key does not claim in our books are `foreign`, for `recordAcceptances` to judge.
 */
export async function confirmDispatches(
  tx: Transaction,
  merchant: string,
  told: readonly ReportedAcceptance[],
): Promise<{
  readonly events: readonly NewEvent[]
  readonly foreign: readonly ToldAcceptance[]
}> {
  if (told.length === 0) return { events: [], foreign: [] }
  const keys = told.map((one) => one.dispatchKey)
  const rows = await many(tx, selectByKey, { merchant, keys })
  return { events: await settle(tx, merchant, rows, told), foreign: foreignOf(rows, told) }
}

async function settle(
  tx: Transaction,
  merchant: string,
  rows: readonly Known[],
  told: readonly ReportedAcceptance[],
): Promise<readonly NewEvent[]> {
  const proven = rows.filter((row) =>
    told.some((one) => isOf(row, one) && isSameSet(one.fulfillments, row.fulfillments)),
  )
  const inDoubt = proven.filter((row) => row.state === 'unknown' || row.state === 'needs_operator')
  if (inDoubt.length === 0) return []
  const ids = inDoubt.map((row) => row.id)
  const settled = await many(tx, settleInDoubt, { merchant, ids, code: 'partner_event' })
  const moved = new Set(settled.map((row) => row.id))
  const done = inDoubt.filter((row) => moved.has(row.id))
  const answers = await writeAnswers(
    tx,
    merchant,
    done.map((row) => ({
      dispatchId: row.id,
      next: { state: 'accepted', delayMs: 0 },
      accepted: row.fulfillments,
      rejected: [],
    })),
  )
  const data = { code: 'partner_event' }
  return [
    ...done.map((row) => ({ subjectId: row.id, kind: 'dispatch.accepted', data })),
    ...answers,
  ]
}

/** Orders that a partner took under a key by which our books have not given them to it. */
function foreignOf(
  rows: readonly Known[],
  told: readonly ReportedAcceptance[],
): readonly ToldAcceptance[] {
  return told.flatMap((one) => {
    const row = rows.find((known) => isOf(known, one))
    const rejected = new Set(row?.rejected)
    const own = new Set(row?.fulfillments.filter((id) => !rejected.has(id)))
    return one.fulfillments
      .filter((id) => !own.has(id))
      .map((fulfillment) => ({
        partner: one.partner,
        key: one.dispatchKey,
        fulfillment,
        source: 'event' as const,
      }))
  })
}

const isOf = (row: Known, one: ReportedAcceptance): boolean =>
  row.key === one.dispatchKey && row.partner_id === one.partner

const isSameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && [...a].toSorted().join(' ') === [...b].toSorted().join(' ')
