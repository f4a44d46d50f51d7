export { agreeOnLimits, ownLimits } from './agree-on-limits.ts'
export { reviewKeys, signApproval, verifyApproval } from './approval.ts'
export type { ApprovedAllocation, ReviewKey, ReviewKeys } from './approval.ts'
export { checkReceipt } from './check-receipt.ts'
export { isOnlyMisallocated } from './check-record.ts'
export {
  isProvenDecisionAnswer,
  isProvenDecisionQuestion,
  proveDecisionAnswer,
  proveDecisionQuestion,
} from './decision-proof.ts'
export type { DecisionAnswer } from './decision-proof.ts'
export { HAND_OVER_LIMITS, MESSAGE_BYTES_MAX, rollingDigest, sealEnvelope } from './envelope.ts'
export {
  DecideAction,
  DecideOutcome,
  EndSchema,
  EnvelopeKind,
  HandoffService,
  ManifestSchema,
  PartState,
  RecordChunkSchema,
  WithdrawKind,
  WithdrawOutcome,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
export type {
  DecideRequest,
  HandOverRequest,
  HandOverResponse,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
export { OrderIntakeService } from './gen/holdfast/orders/v1/intake_pb.js'
export type {
  OrderReceipt,
  SubmitOrdersRequest,
  SubmittedOrder,
} from './gen/holdfast/orders/v1/intake_pb.js'
export { ReviewVerdict } from './gen/holdfast/orders/v1/review_pb.js'
export { allocationsOf, pricesOf } from './hand-over-record.ts'
export type { HandOverRecord, RecordLine } from './hand-over-record.ts'
export { internalToken, isInternalCaller } from './internal-token.ts'
export { handOverReader } from './open-hand-over.ts'
export type { OpenedHandOver } from './open-hand-over.ts'
export { orderDigest } from './order-digest.ts'
export {
  checkOrderSize,
  ORDER_LINES_MAX,
  ORDER_PARTS_MAX,
  SEALED_BYTES_MAX,
  SEALED_FRAME_BYTES,
  SEALED_ORDER_REST_BYTES,
  sealedLinesBytes,
} from './order-size.ts'
export { NO_IDENTITY, orderIdentity } from './order-identity.ts'
export type { OrderName } from './order-identity.ts'
export { sealHandOver } from './seal-hand-over.ts'
export type { SealedHandOver } from './seal-hand-over.ts'
export { isProven, settleVerdict } from './settle-verdict.ts'
export type { SettledVerdict } from './settle-verdict.ts'
export { checkSubmittedOrder, submittedOrderDigest } from './submitted-order.ts'
export { isProvenWithdrawal, proveWithdrawal } from './withdrawal-proof.ts'
