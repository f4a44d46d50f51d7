import type { AnyRoute, Context } from '#platform/index.ts'
import type { PartnerSecrets } from '#partners/index.ts'
import { laneRoutes } from './handshake/lanes.http.ts'
import { pullRoutes } from './dispatch/pull.http.ts'
import type { SealProver } from './seal/seal-proof.ts'
import { fulfillmentAdminRoutes } from './admin.http.ts'
import { recallRoutes } from './recall/recalls.http.ts'
import { reshipRoutes } from './reship/reship.http.ts'
import { inboundRoutes } from './ship/inbound.http.ts'
import { parcelRoutes } from './ship/parcels.http.ts'

export { approvalCheck } from './seal/approval-check.ts'
export type { ApprovalCheck } from './seal/approval-check.ts'
export type { Check } from './conformance/check.ts'
export { measurePartner } from './conformance/measure-partner.ts'
export type { Measurement } from './conformance/measure-partner.ts'
export { probePartner } from './conformance/probe-partner.ts'
export type { ProbeReport } from './conformance/probe-partner.ts'
export { startCanaries } from './conformance/run-canaries.ts'
export { awaitFirstAttempt } from './dispatch/await-first-attempt.ts'
export { resolveDispatch } from './dispatch/resolve-dispatch.ts'
export { DISPATCH_TIMINGS } from './dispatch/dispatch-timing.ts'
export type { DispatchTiming } from './dispatch/dispatch-timing.ts'
export type { HoldChange } from './hold/change-holds.ts'
export { fulfillmentChecks } from './checks.ts'
export { listLanes } from './handshake/lane-status.ts'
export { openForeignLane } from './handshake/open-lane.ts'
export { isOurKey } from './handshake/judge-handshake.ts'
export { raiseFenceOn } from './handshake/raise-fence.ts'
export { adoptDispatch } from './reconcile/adopt-dispatch.ts'
export { askContents, askManifest } from './reconcile/ask-manifest.ts'
export type { AskDeps, KeyContents, ManifestEntry } from './reconcile/ask-manifest.ts'
export { closeUnknown, listUnknown } from './reconcile/unknown-fulfillments.ts'
export { releaseFrozen, skipLostSequences } from './reconcile/release-frozen.ts'
export { dispatchEvidence, listDispatches } from './dispatch-queries.ts'
export type { AttemptRow, DispatchEvidence, DispatchRow } from './dispatch-queries.ts'
export { fulfillmentCounts } from './fulfillment-queries.ts'
export type { FulfillmentRow, HoldRow, ShipmentRow } from './fulfillment-queries.ts'
export { handOverService } from './receive/hand-over.grpc.ts'
export type { HandOverDeps } from './receive/hand-over.grpc.ts'
export { recallDispatches } from './recall/request-recall.ts'
export type { RecallResult } from './recall/request-recall.ts'
export { resolveRecall } from './recall/resolve-recall.ts'
export { listRecalls } from './recall/recall-queries.ts'
export type { RecallLineRow, RecallRow } from './recall/recall-queries.ts'
export { oldestItems, overdueDispatches } from './oldest-items.ts'
export type { OldestItem } from './oldest-items.ts'
export { orderFulfillmentStory } from './order-story.ts'
export type { FulfillmentStory } from './order-story.ts'
export { startFulfillmentWorker } from './run-worker.ts'
export type { FulfillmentWorker } from './run-worker.ts'
export { endReship } from './reship/end-reship.ts'
export { approveReship, listReships, refuseReship, requestReship } from './reship/reship.ts'
export { sealBatch } from './seal/seal-batch.ts'
export { sealProver } from './seal/seal-proof.ts'
export type { SealProver } from './seal/seal-proof.ts'
export type { SealChecks, SealResult } from './seal/seal-batch.ts'
export { hasShipOnceIndex } from './seal/ship-once-index.ts'
export { recordAcceptances, tellAcceptances } from './ship/acceptance-evidence.ts'
export type { ToldAcceptance } from './ship/acceptance-evidence.ts'
export { releaseShort, resendRejected } from './ship/settle-open-lines.ts'
export type { WorkerDeps } from './dispatch/worker-deps.ts'

/** Every HTTP route of fulfillment: the operator's, and the partners' signed events. */
export function fulfillmentRoutes(deps: {
  readonly context: Context
  readonly secrets: PartnerSecrets
  readonly prover: SealProver
}): readonly AnyRoute[] {
  return [
    ...fulfillmentAdminRoutes(deps),
    ...recallRoutes(deps),
    ...parcelRoutes(deps.context),
    ...reshipRoutes(deps.context),
    ...inboundRoutes(deps),
    ...pullRoutes(deps),
    ...laneRoutes(deps.context),
  ]
}
