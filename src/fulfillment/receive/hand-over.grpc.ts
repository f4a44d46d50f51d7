import { ConnectError } from '@connectrpc/connect'
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect'
import { codeFromString } from '@connectrpc/connect/protocol-connect'
import { refuse, REFUSALS } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import type { Context } from '#platform/index.ts'
import {
  EnvelopeKind,
  handOverReader,
  HandoffService,
  MESSAGE_BYTES_MAX,
  ownLimits,
  proveWithdrawal,
  WithdrawKind,
  WithdrawOutcome,
} from '#wire/index.ts'
import type { HandOverRequest, OpenedHandOver, ReviewKeys } from '#wire/index.ts'
import { isInternalCaller } from '#wire/index.ts'
import { answerDecision } from './decide-order.grpc.ts'
import { quarantineStream, QUARANTINE_BYTES_MAX } from './quarantine-stream.ts'
import type { RefusedStream } from './quarantine-stream.ts'
import { receiveHandOver } from './receive-hand-over.ts'
import { withdrawOrder } from './withdraw-order.ts'
import type { WithdrawalOutcome, WithdrawalWish } from './withdraw-order.ts'

/** What the receiving end of the hand-over is given. */
export type HandOverDeps = {
  readonly context: Context
  readonly masterKey: Uint8Array
  readonly reviewKeys: ReviewKeys
  /** What the server was given as its message limit, in bytes; 2 MiB where absent. */
  readonly messageBytesMax?: number
}

/** The receiver of `holdfast.fulfillment.v1.HandoffService`: nothing is committed before END. */
export function handOverService(deps: HandOverDeps): ServiceImpl<typeof HandoffService> {
  const { context, reviewKeys } = deps
  return {
    getLimits(_request, call) {
      authenticate(deps, call)
      return ownLimits(deps.messageBytesMax ?? MESSAGE_BYTES_MAX)
    },
    async *handOver(requests, call) {
      authenticate(deps, call)
      const { opened, ...stream } = await openStream(requests)
      const receipt = opened.ok ? await receiveHandOver(context, reviewKeys, opened.value) : opened
      if (!receipt.ok) {
        await quarantineStream(context, receipt.refusal, stream)
        throw connectError(receipt.refusal)
      }
      const { id, digest, records, holds, clears } = receipt.value
      yield { batchId: id, rollingDigest: digest, records, holds, clears }
    },
    async withdraw(request, call) {
      authenticate(deps, call)
      const kind = KINDS.get(request.kind)
      const { merchant, withdrawalId, orderId, revision } = request
      const isNamed = merchant === context.merchant && withdrawalId !== '' && orderId !== ''
      if (kind === undefined || !isNamed || revision < 1) {
        throw refusedCall('payload_malformed', 'A name, the revision or the kind is missing.')
      }
      const outcome = await withdrawOrder(context, { id: withdrawalId, orderId, revision, kind })
      if (!outcome.ok) throw connectError(outcome.refusal)
      const answer = {
        withdrawalId,
        outcome: OUTCOMES[outcome.value.kind],
        freedLocations: [...outcome.value.freedLocations],
        orderId,
        revision,
        kind: request.kind,
      }
      return { ...answer, proof: Uint8Array.from(proveWithdrawal(deps.masterKey, answer)) }
    },

    async decide(request, call) {
      authenticate(deps, call)
      const outcome = await answerDecision(context, deps.masterKey, request)
      if (!outcome.ok) throw connectError(outcome.refusal)
      return outcome.value
    },
  }
}

const KINDS = new Map<WithdrawKind, WithdrawalWish['kind']>([
  [WithdrawKind.CANCEL, 'cancel'],
  [WithdrawKind.REJECT, 'reject'],
  [WithdrawKind.AMEND, 'amend'],
])

const OUTCOMES: Readonly<Record<WithdrawalOutcome['kind'], WithdrawOutcome>> = {
  withdrawn: WithdrawOutcome.WITHDRAWN,
  recalling: WithdrawOutcome.RECALLING,
  shipped: WithdrawOutcome.SHIPPED,
  partly: WithdrawOutcome.PARTLY,
}

/** Reads to the end or to the first refusal; keeps the payloads, for the quarantine. */
async function openStream(
  requests: AsyncIterable<HandOverRequest>,
): Promise<{ opened: Outcome<OpenedHandOver> } & RefusedStream> {
  const reader = handOverReader()
  const payloads: Uint8Array[] = []
  const records: Uint8Array[] = []
  let kept = 0
  for await (const request of requests) {
    if (kept < QUARANTINE_BYTES_MAX) payloads.push(request.payload)
    kept += request.payload.length
    if (request.kind === EnvelopeKind.RECORDS) records.push(request.payload)
    const pushed = reader.push(request)
    if (!pushed.ok) return { opened: pushed, payloads, records }
  }
  return { opened: reader.finish(), payloads, records }
}

function authenticate(deps: HandOverDeps, call: HandlerContext): void {
  if (isInternalCaller(deps.masterKey, call.requestHeader.get('authorization'))) return
  throw refusedCall('unauthenticated', 'The call carries no token of this installation.')
}

function refusedCall(code: Refusal['code'], detail: string): ConnectError {
  return connectError(refuse(code, detail).refusal)
}

/** A refusal as gRPC shows it: the catalogue's code, our own code in metadata and in the message. */
function connectError(refusal: Refusal): ConnectError {
  const code = codeFromString(REFUSALS[refusal.code].grpc)
  const metadata = { 'holdfast-code': refusal.code }
  return new ConnectError(`${refusal.code}: ${refusal.detail}`, code, metadata)
}
