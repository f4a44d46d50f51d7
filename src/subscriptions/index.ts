import type { AnyRoute, Context } from '#platform/index.ts'
import { deliveryRoutes } from './deliveries.http.ts'
import { eventRoutes } from './events.http.ts'
import type { EventStreams } from './event-stream.ts'
import { subscriptionRoutes } from './webhooks.http.ts'

export { subscriptionChecks } from './checks.ts'
export { createSubscription } from './create-subscription.ts'
export type { CreatedSubscription, NewSubscription } from './create-subscription.ts'
export { deleteSubscription, pauseSubscription, resumeSubscription } from './change-subscription.ts'
export type { SubscriptionChange } from './change-subscription.ts'
export { deliveryJson } from './deliveries.http.ts'
export { findDelivery, listDeliveries } from './delivery/delivery-log.ts'
export type { AttemptRow, DeliveryRow } from './delivery/delivery-log.ts'
export { replayDelivery } from './delivery/replay-delivery.ts'
export { startSubscriptionWorker } from './delivery/run-subscriptions.ts'
export type { SubscriptionWorker, SubscriptionWorkerDeps } from './delivery/run-subscriptions.ts'
export { EVENT_NAMES } from './event-catalog.ts'
export type { EventData, EventName } from './event-catalog.ts'
export { eventRows, webhookDocuments } from './event-documents.ts'
export { eventStreams } from './event-stream.ts'
export type { EventStreams } from './event-stream.ts'
export { subscriptionGauges } from './gauges.ts'
export type { PublicEvent } from './public-event.ts'
export { findSubscription, listSubscriptions } from './subscription.ts'
export type { PauseReason, Subscription } from './subscription.ts'
export { rotateSecret } from './subscription-secrets.ts'
export { subscriptionJson } from './webhooks.http.ts'

/** Every route of events out: the feed, its stream, subscriptions and their delivery log. */
export function subscriptionAdminRoutes(deps: {
  readonly context: Context
  readonly masterKey: Uint8Array
  readonly streams: EventStreams
}): readonly AnyRoute[] {
  const { context, masterKey, streams } = deps
  return [
    ...eventRoutes(context, streams),
    ...subscriptionRoutes({ context, masterKey }),
    ...deliveryRoutes(context),
  ]
}
