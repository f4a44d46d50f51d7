import { accept, newId, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { openCases, resolveCasesAbout } from '#cases/index.ts'
import { lockFreeStock, reserveFrom } from '#inventory/index.ts'
import { appendAudit, appendEvents, change, many, maybe, read, transact } from '#platform/index.ts'
import type { Context, Database, RowOf, Transaction } from '#platform/index.ts'
import { notifyWork } from '../fulfillment-statements.ts'
import { lockShipped, selectReleased } from '../ship/inbox-statements.ts'
import {
  approveReship as approve,
  insertReship,
  refuseReship as refuseWish,
  selectReship,
  selectReships,
} from './reship-statements.ts'

/** The wish to ship a fulfillment order once more, and what was said to it. */
export type Reship = RowOf<typeof selectReship.row>
type Target = RowOf<typeof lockShipped.row>

/** Who decides on which reship, with what word. */
export type ReshipDecision = {
  readonly reship: string
  readonly actor: string
  readonly note: string
}

/**
 * Asks that a lost parcel is shipped again, whole: the reason and the evidence are kept as a case
 * `lost_parcel`. Nothing ships before another person approves. Refused: `fulfillment_unknown`,
 * `fulfillment_state` where it has not shipped, or units of it were given up, `reship_open` where that is asked already.
 */
export async function requestReship(
  context: Context,
  input: {
    readonly fulfillment: string
    readonly actor: string
    readonly reason: string
    readonly evidence: string
  },
): Promise<Outcome<{ readonly id: string; readonly case: string }>> {
  const { merchant } = context
  const { actor, reason, evidence } = input
  return transact(context.database, async (tx) => {
    const target = await maybe(tx, lockShipped, { merchant, ids: [input.fulfillment] })
    if (!target) return refuse('fulfillment_unknown', `No fulfillment order ${input.fulfillment}.`)
    if (target.state !== 'shipped' && target.state !== 'delivered') {
      return refuse('fulfillment_state', `${target.id} is ${target.state}: it has not shipped.`)
    }
    const whole = await unlessGivenUp(tx, merchant, target)
    if (!whole.ok) return whole
    const generation = target.generation + 1
    const [seen] = await openCases(tx, merchant, actor, [
      {
        kind: 'lost_parcel',
        subjectId: target.id,
        orderId: target.order_id,
        partnerId: target.partner_id,
        title: 'A parcel was lost: somebody asks to ship its order again.',
        evidence: { reason, evidence, generation, actor },
      },
    ])
    const id = newId('rsh')
    const inserted = await change(tx, insertReship, {
      merchant,
      id,
      fulfillment: target.id,
      generation,
      case: seen?.id ?? '',
      reason,
      actor,
    })
    if (inserted === 0) {
      return refuse('reship_open', `Generation ${generation} of ${target.id} is asked for already.`)
    }
    const after = { fulfillment_id: target.id, generation, case_id: seen?.id }
    await tell(tx, merchant, { act: 'requested', id, actor, reason, order: target.order_id, after })
    return accept({ id, case: seen?.id ?? '' })
  })
}

/**
 * The second person's word: in one transaction the generation rises, the old line is superseded, new stock is
 * reserved at the same place and the order is open again, to be sealed under a new order key. Once, however
 * many say it. Refused: `reship_unknown`, `reship_state` where it is decided, `reship_same_person`,
 * `insufficient_stock` and `sku_quarantined`; then nothing has changed.
 */
export async function approveReship(
  context: Context,
  input: ReshipDecision,
): Promise<Outcome<{ readonly fulfillment: string; readonly generation: number }>> {
  const { merchant } = context
  const { reship: id, actor, note } = input
  return transact(context.database, async (tx) => {
    const wish = await maybe(tx, selectReship, { merchant, id })
    if (!wish) return unknown(id)
    const { fulfillment_id: fulfillment, generation } = wish
    const target = await maybe(tx, lockShipped, { merchant, ids: [fulfillment] })
    const said = await maybe(tx, approve, { merchant, id, actor, note })
    if (!target || said?.is_done !== true) return whyNot(tx, merchant, input)
    const whole = await unlessGivenUp(tx, merchant, target)
    if (!whole.ok) return whole
    const reserved = await reserveAgain(tx, merchant, id, target)
    if (!reserved.ok) return reserved
    const after = { fulfillment_id: fulfillment, generation, requested_by: wish.requested_by }
    await tell(tx, merchant, {
      act: 'approved',
      id,
      actor,
      reason: note,
      order: wish.order_id,
      after,
    })
    const outcome = `Shipped again as generation ${generation}: ${note}`
    const about = { kind: 'lost_parcel', subjects: [fulfillment], actor, outcome }
    await resolveCasesAbout(tx, merchant, about)
    await many(tx, notifyWork, { topic: 'fulfillment' })
    return accept({ fulfillment, generation })
  })
}

/** Says no to a reship; whoever asked for it may take it back. Refused: `reship_unknown`, `reship_state`. */
export async function refuseReship(
  context: Context,
  input: ReshipDecision,
): Promise<Outcome<null>> {
  const { merchant } = context
  const { reship: id, actor, note } = input
  return transact(context.database, async (tx) => {
    const said = await maybe(tx, refuseWish, { merchant, id, actor, note })
    const wish = await maybe(tx, selectReship, { merchant, id })
    if (!wish) return unknown(id)
    if (said?.is_done !== true) return decided(wish)
    const after = { fulfillment_id: wish.fulfillment_id, generation: wish.generation }
    const order = wish.order_id
    await tell(tx, merchant, { act: 'refused', id, actor, reason: note, order, after })
    return accept(null)
  })
}

/** Reships, newest first; `before` is the last id of the page before. */
export async function listReships(
  database: Database,
  merchant: string,
  page: {
    readonly state?: string | undefined
    readonly before?: string | undefined
    readonly limit: number
  },
): Promise<readonly Reship[]> {
  return read(database, selectReships, {
    merchant,
    state: page.state ?? null,
    before: page.before ?? null,
    limit: page.limit,
  })
}

// A reship is always whole: where units were given up it would send more than the buyer is owed.
async function unlessGivenUp(
  tx: Transaction,
  merchant: string,
  { id }: Target,
): Promise<Outcome<null>> {
  const given = await many(tx, selectReleased, { merchant, ids: [id] })
  if (given.length === 0) return accept(null)
  return refuse('fulfillment_state', `Units of ${id} were given up: ship the rest by a new order.`)
}

// New units at the location that the approval covers, in the name of the reship: those of the order are gone.
async function reserveAgain(
  tx: Transaction,
  merchant: string,
  reship: string,
  target: Target,
): Promise<Outcome<null>> {
  const skus = target.lines.map((line) => line.sku)
  const { free, quarantined } = await lockFreeStock(tx, merchant, skus)
  const here = new Map(
    [...free].map(([sku, places]) => [
      sku,
      new Map([...places].filter(([location]) => location === target.location_id)),
    ]),
  )
  const lines = target.lines.map(({ line_id, sku, qty }) => ({ lineNo: Number(line_id), sku, qty }))
  const request = { subjectId: reship, lines, maySplit: false }
  const { answers, written } = reserveFrom(tx, merchant, { free: here, quarantined }, [request])
  await written
  const [answer] = answers
  return answer?.ok === false ? answer : accept(null)
}

async function whyNot(tx: Transaction, merchant: string, { reship: id, actor }: ReshipDecision) {
  const wish = await maybe(tx, selectReship, { merchant, id })
  if (!wish) return unknown(id)
  if (wish.state !== 'requested') return decided(wish)
  return refuse('reship_same_person', `${actor} asked for it: another person approves.`)
}

async function tell(
  tx: Transaction,
  merchant: string,
  said: {
    readonly act: 'requested' | 'approved' | 'refused'
    readonly id: string
    readonly actor: string
    readonly reason: string
    readonly order: string
    readonly after: Readonly<Record<string, unknown>> & { readonly fulfillment_id: string }
  },
): Promise<void> {
  const { act, id, actor, reason, order, after } = said
  const subjectId = after.fulfillment_id
  const data = { order_id: order, reship_id: id, generation: after['generation'], actor }
  await appendEvents(tx, merchant, [{ subjectId, kind: `fulfillment.reship_${act}`, data }])
  await appendAudit(tx, merchant, {
    actor,
    action: `reship.${act}`,
    subjectId: id,
    reason,
    after,
  })
}

const unknown = (id: string) => refuse('reship_unknown', `No reship ${id}.`)
const decided = (wish: Reship) =>
  refuse('reship_state', `${wish.id} was ${wish.state} by ${wish.decided_by}.`)
