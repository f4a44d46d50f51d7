import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { resolveCasesAbout } from '#cases/index.ts'
import { releaseUnits } from '#inventory/index.ts'
import {
  appendAudit,
  appendEvents,
  change,
  many,
  maybe,
  statement,
  transact,
} from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import { MAY_REOPEN, notifyWork } from '../fulfillment-statements.ts'
import { stockSubjects } from '../reship/stock-subject.ts'
import { isWhole } from './inbound-lattice.ts'
import { lockShipped, selectReleased, selectShippedLines, shipOrders } from './inbox-statements.ts'
import { decideOpenLines, selectOpenLines } from './open-lines.ts'
import { UnitBook } from './parcel.ts'

// A rejected order goes to its partner again, by a person's word.
const reopenRejected = statement({
  name: 'fulfillment.reopen_rejected_order',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    update fulfillment.fulfillment_order f
       set state = 'open', effective_at = greatest(f.effective_at, now()), updated_at = now()
     where f.merchant_id = $merchant and f.id = $id and f.state = 'rejected'
       and ${MAY_REOPEN}
    returning f.id`,
})

// Nothing of it will ship: the line is free again, and the order can be withdrawn.
const rejectWhole = statement({
  name: 'fulfillment.reject_short_order',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    with gone as (
      update fulfillment.fulfillment_order
         set state = 'rejected', updated_at = now()
       where merchant_id = $merchant and id = $id and state in ('sealed', 'accepted')
      returning merchant_id, id, generation
    )
    update fulfillment.line_claim l
       set state = 'rejected'
      from gone g
     where l.merchant_id = g.merchant_id and l.fulfillment_id = g.id
       and l.generation = g.generation and l.state = 'live'
    returning g.id`,
})

/** Whose open units somebody decides on, and why. */
export type OpenLineChange = {
  readonly fulfillment: string
  readonly actor: string
  readonly reason: string
}

/**
 * Sends a rejected order to its partner again, under the same order key, after a person has spoken with it.
 * Refused: `fulfillment_unknown`, and `fulfillment_state` where it is not rejected or must not go.
 */
export async function resendRejected(
  context: Context,
  input: OpenLineChange,
): Promise<Outcome<{ readonly state: 'open' }>> {
  const { merchant } = context
  return transact(context.database, async (tx) => {
    const target = await lock(tx, merchant, input.fulfillment)
    if (!target.ok) return target
    if (!(await maybe(tx, reopenRejected, { merchant, id: target.value.id }))) {
      return refuse('fulfillment_state', `${target.value.id} is ${target.value.state}.`)
    }
    const lines = await openLines(tx, merchant, target.value.id, 'rejected')
    const said = lines.map(({ line_id, qty }) => ({ line_id, qty, state: 'resent' }))
    await decide(tx, merchant, input, 'rejected', said)
    await tell(tx, merchant, input, target.value, 'resent', 'partial_rejection')
    await many(tx, notifyWork, { topic: 'fulfillment' })
    return accept({ state: 'open' })
  })
}

/**
 * Gives up units that a partner will not ship: their reservation ends line by line, and they must not leave
 * any more. With it the order has shipped, or is rejected where nothing of it left. Units that left after
 * all are not given up. Refused: `fulfillment_unknown`, `fulfillment_state` where nothing is short.
 */
export async function releaseShort(
  context: Context,
  input: OpenLineChange,
): Promise<Outcome<{ readonly state: string; readonly units: number }>> {
  const { merchant } = context
  return transact(context.database, async (tx) => {
    const found = await lock(tx, merchant, input.fulfillment)
    if (!found.ok) return found
    const target = found.value
    const short = await openLines(tx, merchant, target.id, 'short')
    if (short.length === 0) {
      return refuse('fulfillment_state', `Nothing of ${target.id} is short.`)
    }
    const ids = [target.id]
    const before = await many(tx, selectShippedLines, { merchant, ids })
    const shipped = new UnitBook(before, []).ship(target.id, target.generation, [])
    const leftOf = (line: OpenLine): number => {
      const ordered = target.lines.find((one) => one.line_id === line.line_id)?.qty ?? 0
      return Math.max(0, ordered - (shipped.get(`${line.line_id} ${line.sku}`) ?? 0))
    }
    const said = short.map(({ line_id, sku, qty, ...line }) => {
      const left = Math.min(qty, leftOf({ line_id, sku, qty, ...line }))
      return { line_id, sku, qty: left || qty, state: left > 0 ? 'released' : 'shipped' }
    })
    const gone = said.filter((line) => line.state === 'released')
    await decide(tx, merchant, input, 'short', said)
    const { generation } = target
    const subjectOf = await stockSubjects(tx, merchant, ids)
    const units = await releaseUnits(tx, merchant, {
      subjectId: subjectOf({ fulfillment: target.id, generation, order: target.order_id }),
      sourceId: `${target.id}/${target.generation}/short`,
      lines: gone.map(({ line_id, sku, qty }) => ({
        lineNo: Number(line_id),
        locationId: target.location_id,
        sku,
        qty,
      })),
    })
    const state = await settleState(tx, merchant, target)
    await tell(tx, merchant, input, target, 'released', 'short_shipment')
    return accept({ state, units })
  })
}

async function settleState(tx: Transaction, merchant: string, target: Target): Promise<string> {
  const ids = [target.id]
  const before = await many(tx, selectShippedLines, { merchant, ids })
  const released = await many(tx, selectReleased, { merchant, ids })
  const book = new UnitBook(before, released)
  const allowed = book.allowed(target.id, target.generation, target.lines)
  const shipped = book.ship(target.id, target.generation, [])
  if (!isWhole(allowed, shipped)) return target.state
  if (shipped.size === 0) {
    const rejected = await maybe(tx, rejectWhole, { merchant, id: target.id })
    return rejected ? 'rejected' : target.state
  }
  const moved = await many(tx, shipOrders, { merchant, ids })
  if (moved.length === 0) return target.state
  const data = { order_id: target.order_id }
  await appendEvents(tx, merchant, [{ subjectId: target.id, kind: 'fulfillment.shipped', data }])
  return 'shipped'
}

type Target = RowOf<typeof lockShipped.row>
type OpenLine = RowOf<typeof selectOpenLines.row>

async function lock(tx: Transaction, merchant: string, id: string): Promise<Outcome<Target>> {
  const target = await maybe(tx, lockShipped, { merchant, ids: [id] })
  return target ? accept(target) : refuse('fulfillment_unknown', `No fulfillment order ${id}.`)
}

const openLines = (tx: Transaction, merchant: string, id: string, cause: 'rejected' | 'short') =>
  many(tx, selectOpenLines, { merchant, id, cause })

async function decide(
  tx: Transaction,
  merchant: string,
  { fulfillment: id, actor }: OpenLineChange,
  cause: 'rejected' | 'short',
  lines: readonly Pick<OpenLine & { readonly state: string }, 'line_id' | 'qty' | 'state'>[],
): Promise<void> {
  await change(tx, decideOpenLines, {
    merchant,
    id,
    actor,
    cause,
    lines: lines.map((line) => line.line_id),
    states: lines.map((line) => line.state),
    units: lines.map((line) => line.qty),
  })
}

async function tell(
  tx: Transaction,
  merchant: string,
  { fulfillment: id, actor, reason }: OpenLineChange,
  target: Target,
  act: 'resent' | 'released',
  kind: 'partial_rejection' | 'short_shipment',
): Promise<void> {
  const data = { order_id: target.order_id, actor }
  await appendEvents(tx, merchant, [{ subjectId: id, kind: `fulfillment.${act}`, data }])
  await appendAudit(tx, merchant, {
    actor,
    action: `fulfillment.${act === 'resent' ? 'resend' : 'release_short'}`,
    subjectId: id,
    reason,
    before: { state: target.state },
  })
  const outcome = act === 'resent' ? 'Sent to the partner again.' : 'Given up: the units are free.'
  await resolveCasesAbout(tx, merchant, { kind, subjects: [id], actor, outcome })
}
