import { createClient } from '@connectrpc/connect'
import type { Transport } from '@connectrpc/connect'
import { invariant } from '#kernel/index.ts'
import {
  DecideAction,
  DecideOutcome,
  HandoffService,
  isProvenDecisionAnswer,
  PartState,
  proveDecisionQuestion,
} from '#wire/index.ts'
import type { AskDecision, DecisionWord } from '../decide-order.ts'
import type { DecidedPart } from '../decision-wish.ts'

/** Longer than fulfillment waits for a lock, and short enough for a person who waits for the answer. */
const DEADLINE_MS = 8_000

const ACTIONS = {
  hold: DecideAction.HOLD,
  clear: DecideAction.CLEAR,
  drop: DecideAction.DROP,
} as const

const OUTCOMES = new Map<DecideOutcome, DecisionWord['kind']>([
  [DecideOutcome.STANDS, 'stands'],
  [DecideOutcome.SEALED, 'sealed'],
  [DecideOutcome.SHIPPED, 'shipped'],
  [DecideOutcome.DROPPED, 'dropped'],
])

const STATES = new Map<PartState, DecidedPart['state']>([
  [PartState.HELD, 'held'],
  [PartState.OPEN, 'open'],
  [PartState.WITH_PARTNER, 'with_partner'],
  [PartState.ASKED_BACK, 'asked_back'],
  [PartState.LEFT, 'left'],
  [PartState.ENDED, 'ended'],
])

/** Asks over gRPC what a decision would still change, within 8 s. Throws if no proven answer comes. */
export function decisionAsker(
  transport: Transport,
  headers: Readonly<Record<string, string>>,
  masterKey: Uint8Array,
): AskDecision {
  const client = createClient(HandoffService, transport)
  return async (wish, kind) => {
    const { merchant, orderId, id: decisionId, revision } = wish
    const action = ACTIONS[kind]
    const question = { merchant, orderId, decisionId, revision, action }
    const proof = Uint8Array.from(proveDecisionQuestion(masterKey, question))
    const options = { headers: { ...headers }, timeoutMs: DEADLINE_MS }
    const answer = await client.decide({ ...question, proof }, options)
    // A changed answer would say of goods that have left that they are held.
    invariant(
      answer.decisionId === decisionId &&
        answer.orderId === orderId &&
        answer.revision === revision &&
        answer.action === action &&
        isProvenDecisionAnswer(masterKey, answer),
      'the answer is about the decision that was asked about',
    )
    const outcome = OUTCOMES.get(answer.outcome)
    invariant(outcome !== undefined, 'an unknown outcome is no answer')
    return { kind: outcome, parts: answer.parts.map(partOf) }
  }
}

function partOf(part: {
  readonly fulfillmentId: string
  readonly partnerId: string
  readonly locationId: string
  readonly state: PartState
  readonly parcels: number
}): DecidedPart {
  const state = STATES.get(part.state)
  invariant(state !== undefined, 'an unknown state of a part is no answer')
  const { fulfillmentId, partnerId, locationId, parcels } = part
  return {
    fulfillment_id: fulfillmentId,
    partner_id: partnerId,
    location_id: locationId,
    state,
    parcels,
  }
}
