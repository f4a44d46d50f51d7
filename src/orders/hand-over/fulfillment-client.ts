import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { accept, invariant, refuse, REFUSALS } from '#kernel/index.ts'
import type { Outcome, RefusalCode } from '#kernel/index.ts'
import {
  agreeOnLimits,
  HandoffService,
  internalToken,
  isProvenWithdrawal,
  MESSAGE_BYTES_MAX,
  ownLimits,
  WithdrawKind,
  WithdrawOutcome,
} from '#wire/index.ts'
import type { HandOverResponse } from '#wire/index.ts'
import type { AskDecision } from '../decide-order.ts'
import { decisionAsker } from './ask-decision.ts'
import type { SendHandOver } from './hand-over.ts'
import type { AskWithdrawal, WithdrawalWord } from '../withdraw-order.ts'

/** The calls that order processing makes downstream. */
export type FulfillmentClient = {
  /** Refuses `handover_limits_differ`; throws where the other end does not answer. */
  readonly agreeOnLimits: () => Promise<Outcome<void>>
  readonly handOver: SendHandOver
  readonly withdraw: AskWithdrawal
  readonly decide: AskDecision
}

const DEADLINE_MS = 20_000
/** A request waits for a withdrawal (`REQUEST_MAX_MS`); whatever is not answered is asked again by a worker. */
const WITHDRAW_MAX_MS = 8_000
const KINDS = {
  cancel: WithdrawKind.CANCEL,
  reject: WithdrawKind.REJECT,
  amend: WithdrawKind.AMEND,
} as const

const OUTCOMES = new Map<WithdrawOutcome, WithdrawalWord['kind']>([
  [WithdrawOutcome.WITHDRAWN, 'withdrawn'],
  [WithdrawOutcome.RECALLING, 'recalling'],
  [WithdrawOutcome.SHIPPED, 'shipped'],
  [WithdrawOutcome.PARTLY, 'partly'],
])

/** Speaks gRPC (HTTP/2) to fulfillment, on this machine or another. A hand-over has 20 s, what a request waits for 8 s. */
export function fulfillmentClient(
  baseUrl: string,
  masterKey: Uint8Array,
  messageBytesMax: number = MESSAGE_BYTES_MAX,
): FulfillmentClient {
  const transport = createGrpcTransport({
    baseUrl,
    readMaxBytes: messageBytesMax,
    writeMaxBytes: messageBytesMax,
  })
  const client = createClient(HandoffService, transport)
  const headers = { authorization: `Bearer ${internalToken(masterKey)}` }
  return {
    decide: decisionAsker(transport, headers, masterKey),
    agreeOnLimits: async () => {
      try {
        const theirs = await client.getLimits({}, { headers, timeoutMs: DEADLINE_MS })
        return agreeOnLimits(ownLimits(messageBytesMax), theirs)
      } catch (fault) {
        if (ConnectError.from(fault).code !== Code.Unimplemented) throw fault
        return refuse('handover_limits_differ', 'The receiver is too old to tell its limits.')
      }
    },
    handOver: async (sealed) => {
      try {
        const answers: HandOverResponse[] = []
        const stream = client.handOver(toStream(sealed.envelopes), {
          headers,
          timeoutMs: DEADLINE_MS,
        })
        for await (const answer of stream) answers.push(answer)
        const [receipt] = answers
        if (receipt && answers.length === 1) return accept(receipt)
        return refuse('receipt_mismatch', `${answers.length} receipts came for one batch.`)
      } catch (fault) {
        return refusalOf(fault)
      }
    },
    withdraw: async (withdrawal) => {
      const answer = await client.withdraw(
        {
          merchant: withdrawal.merchant,
          orderId: withdrawal.orderId,
          withdrawalId: withdrawal.id,
          revision: withdrawal.revision,
          kind: KINDS[withdrawal.kind],
        },
        { headers, timeoutMs: WITHDRAW_MAX_MS },
      )
      // A changed request would release the stock of one order and stop another.
      invariant(
        answer.withdrawalId === withdrawal.id &&
          answer.orderId === withdrawal.orderId &&
          answer.revision === withdrawal.revision &&
          answer.kind === KINDS[withdrawal.kind] &&
          isProvenWithdrawal(masterKey, answer),
        'the answer is about the withdrawal that was asked',
      )
      const kind = OUTCOMES.get(answer.outcome)
      invariant(kind !== undefined, 'an unknown outcome is no answer')
      return { kind, freedLocations: answer.freedLocations }
    },
  }
}

async function* toStream<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items
}

// A refusal travels as `holdfast-code`; anything else is a fault: the batch is kept and sent again. So is one
// whose receiver could not look: that its database is away says nothing about the batch.
function refusalOf(fault: unknown): Outcome<never> {
  const error = ConnectError.from(fault, Code.Unknown)
  const code = error.metadata.get('holdfast-code')
  if (code !== null && isRefusalCode(code) && REFUSALS[code].grpc !== 'unavailable') {
    return refuse(code, error.rawMessage)
  }
  throw error
}

function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(REFUSALS, code)
}
