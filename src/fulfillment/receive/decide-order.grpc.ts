import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { Context } from '#platform/index.ts'
import {
  DecideAction,
  DecideOutcome,
  isProvenDecisionQuestion,
  PartState,
  proveDecisionAnswer,
} from '#wire/index.ts'
import type { DecideRequest, DecisionAnswer } from '#wire/index.ts'
import type { OrderPart } from '../hold/order-parts.ts'
import { decideOrder } from './decide-order.ts'
import type { DecisionOutcome, DecisionWish } from './decide-order.ts'

const ACTIONS = new Map<DecideAction, DecisionWish['action']>([
  [DecideAction.HOLD, 'hold'],
  [DecideAction.CLEAR, 'clear'],
  [DecideAction.DROP, 'drop'],
])

const OUTCOMES: Readonly<Record<DecisionOutcome['kind'], DecideOutcome>> = {
  stands: DecideOutcome.STANDS,
  sealed: DecideOutcome.SEALED,
  shipped: DecideOutcome.SHIPPED,
  dropped: DecideOutcome.DROPPED,
}

const STATES: Readonly<Record<OrderPart['state'], PartState>> = {
  held: PartState.HELD,
  open: PartState.OPEN,
  with_partner: PartState.WITH_PARTNER,
  asked_back: PartState.ASKED_BACK,
  left: PartState.LEFT,
  ended: PartState.ENDED,
}

/**
 * Answers one question about a decision, with the proof of the answer. Refused: `payload_malformed` if
 * the question says too little or is not proven to be what was asked, and what `decideOrder` refuses.
 */
export async function answerDecision(
  context: Context,
  masterKey: Uint8Array,
  request: DecideRequest,
): Promise<Outcome<DecisionAnswer & { readonly proof: Uint8Array<ArrayBuffer> }>> {
  const action = ACTIONS.get(request.action)
  const { merchant, decisionId, orderId, revision } = request
  const isNamed = merchant === context.merchant && decisionId !== '' && orderId !== ''
  if (action === undefined || !isNamed || revision < 1)
    return refuse('payload_malformed', 'A name, the revision or the action is missing.')
  if (!isProvenDecisionQuestion(masterKey, request))
    return refuse('payload_malformed', 'The question is not the one that was asked.')
  const outcome = await decideOrder(context, { id: decisionId, orderId, revision, action })
  if (!outcome.ok) return outcome
  const answer = {
    decisionId,
    orderId,
    revision,
    action: request.action,
    outcome: OUTCOMES[outcome.value.kind],
    parts: outcome.value.parts.map(
      ({ fulfillmentId, partnerId, locationId, parcels, state: partState }) => ({
        fulfillmentId,
        partnerId,
        locationId,
        parcels,
        state: STATES[partState],
      }),
    ),
  }
  return accept({ ...answer, proof: Uint8Array.from(proveDecisionAnswer(masterKey, answer)) })
}
