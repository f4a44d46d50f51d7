import { z } from 'zod'
import { many, maybe, statement } from '#platform/index.ts'
import type { RowOf, Transaction } from '#platform/index.ts'

/** What fulfillment has of one part of an order. `asked_back` may still leave; `held` may not. */
export const decidedPart = z.strictObject({
  fulfillment_id: z.string(),
  partner_id: z.string(),
  location_id: z.string(),
  state: z.enum(['held', 'open', 'with_partner', 'asked_back', 'left', 'ended']),
  /** Parcels of it that have left. */
  parcels: z.number().int().nonnegative(),
})
/** One part of an order, in its partner's hands or on its way there. */
export type DecidedPart = z.output<typeof decidedPart>

/** The answer to a decision that was recorded; it is kept, and the same request is answered the same. */
export const decisionAnswer = z.strictObject({
  decision_id: z.string(),
  number: z.number().int().positive(),
  verdict: z.enum(['hold', 'clear']),
  /** When a CLEAR may first be sealed, ISO 8601 UTC. */
  effective_at: z.string(),
  /**
   * `held`: nothing of it leaves. `recalling`: partners are asked to give it back, and it may still leave.
   * `partly_shipped`: some of it has left, and the rest is held or asked back. `cleared`, of a CLEAR.
   */
  outcome: z.enum(['held', 'recalling', 'partly_shipped', 'cleared']),
  parts: z.array(decidedPart),
})
/** One of `decisionAnswer`. */
export type DecisionAnswer = z.output<typeof decisionAnswer>

/** Keeps a wish before fulfillment is asked. */
export const insertWish = statement({
  name: 'orders.insert_decision_wish',
  params: {
    merchant: 'text',
    id: 'text',
    order: 'text',
    verdict: 'text',
    revision: 'int4',
    after: 'int4',
    actor: 'text',
    reason: 'text',
    key: 'text?',
  },
  text: `
    insert into orders.decision_wish
      (merchant_id, id, order_id, verdict, revision, after_number, actor, reason, request_key)
    values ($merchant, $id, $order, $verdict, $revision, $after, $actor, $reason, $key)`,
})

const WISH_ROW = {
  id: 'text',
  order_id: 'text',
  verdict: 'text',
  revision: 'int4',
  after_number: 'int4',
  actor: 'text',
  reason: 'text',
  state: 'text',
  // Parsed with `decisionAnswer` before anybody is told of it.
  answer: 'jsonb?',
} as const

const COLUMNS = 'id, order_id, verdict, revision, after_number, actor, reason, state, answer'

const lockWish = statement({
  name: 'orders.lock_decision_wish',
  params: { merchant: 'text', id: 'text' },
  row: WISH_ROW,
  text: `
    select ${COLUMNS} from orders.decision_wish
     where merchant_id = $merchant and id = $id
       for update`,
})

const selectKeyed = statement({
  name: 'orders.select_decision_wish_of_a_key',
  params: { merchant: 'text', order: 'text', actor: 'text', key: 'text' },
  row: WISH_ROW,
  text: `
    select ${COLUMNS} from orders.decision_wish
     where merchant_id = $merchant and order_id = $order and actor = $actor and request_key = $key
       and state in ('asked', 'recorded')`,
})

const selectOpen = statement({
  name: 'orders.select_open_decision_wish',
  params: { merchant: 'text', order: 'text' },
  row: WISH_ROW,
  text: `
    select ${COLUMNS} from orders.decision_wish
     where merchant_id = $merchant and order_id = $order and state = 'asked'`,
})

/** Wishes that nobody finished, and HOLDs that fulfillment is to be told were never recorded. */
export const selectDueWishes = statement({
  name: 'orders.select_due_decision_wishes',
  params: { merchant: 'text' },
  row: WISH_ROW,
  text: `
    select ${COLUMNS} from orders.decision_wish
     where merchant_id = $merchant and state in ('asked', 'dropping') and ask_after <= now()
     order by ask_after
     limit 100`,
})

/** Moves a wish on, from the one state that it must be in. */
export const settleWish = statement({
  name: 'orders.settle_decision_wish',
  params: { merchant: 'text', id: 'text', before: 'text', state: 'text', answer: 'jsonb?' },
  text: `
    update orders.decision_wish
       set state = $state, answer = $answer, settled_at = now(), ask_after = now()
     where merchant_id = $merchant and id = $id and state = $before`,
})

/** Asks for a wish again later: ever less often, at least every ten seconds. */
export const postponeWish = statement({
  name: 'orders.postpone_decision_wish',
  params: { merchant: 'text', id: 'text' },
  text: `
    update orders.decision_wish
       set asked = asked + 1, ask_after = now() + make_interval(secs => least(10, 2 ^ least(asked, 4)))
     where merchant_id = $merchant and id = $id and state in ('asked', 'dropping')`,
})

/** A decision that is about to be recorded, as it is kept until fulfillment has answered. */
export type DecisionWish = {
  readonly merchant: string
  /** The id of the decision to be. */
  readonly id: string
  readonly orderId: string
  readonly verdict: 'hold' | 'clear'
  readonly revision: number
  readonly afterNumber: number
  readonly actor: string
  readonly reason: string
}

/** A kept wish with its state. */
export type KeptWish = {
  readonly wish: DecisionWish
  readonly state: string
  readonly answer: DecisionAnswer | null
}

/** The wish of an id, locked. */
export async function wishOf(tx: Transaction, merchant: string, id: string) {
  return kept(merchant, await maybe(tx, lockWish, { merchant, id }))
}

/** The open wish of an order, if any; there is at most one. */
export async function openWish(tx: Transaction, merchant: string, order: string) {
  return kept(merchant, await maybe(tx, selectOpen, { merchant, order }))
}

/** The wish that the same caller sent for the same order under the same Idempotency-Key. */
export async function keyedWish(
  tx: Transaction,
  merchant: string,
  from: { readonly order: string; readonly actor: string; readonly key: string },
) {
  const [row] = await many(tx, selectKeyed, { merchant, ...from })
  return kept(merchant, row)
}

/** A row as a wish; undefined without one. */
export function kept(
  merchant: string,
  row: RowOf<typeof lockWish.row> | undefined,
): KeptWish | undefined {
  if (!row) return undefined
  const wish = {
    merchant,
    id: row.id,
    orderId: row.order_id,
    verdict: row.verdict === 'clear' ? ('clear' as const) : ('hold' as const),
    revision: row.revision,
    afterNumber: row.after_number,
    actor: row.actor,
    reason: row.reason,
  }
  const answer = row.answer === null ? null : decisionAnswer.parse(row.answer)
  return { wish, state: row.state, answer }
}
