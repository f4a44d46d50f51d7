import { accessRoutes } from '#access/index.ts'
import type { Authenticator } from '#access/index.ts'
import { caseRoutes } from '#cases/index.ts'
import { catalogRoutes } from '#catalog/index.ts'
import { flagRoutes } from '#flags/index.ts'
import { fulfillmentRoutes } from '#fulfillment/index.ts'
import type { SealProver } from '#fulfillment/index.ts'
import { availability, inventoryRoutes, pageOnSale, productOnSale } from '#inventory/index.ts'
import { orderAdminRoutes, storeRoutes } from '#orders/index.ts'
import type { OrdersDeps } from '#orders/index.ts'
import { partnerPauseRoutes, partnerSecretRoutes } from '#partners/index.ts'
import type { PartnerSecrets } from '#partners/index.ts'
import type { AnyRoute } from '#platform/index.ts'
import { reconciliationRoutes } from '#reconciliation/index.ts'
import { subscriptionAdminRoutes } from '#subscriptions/index.ts'
import type { EventStreams } from '#subscriptions/index.ts'
import { metrics, metricsRoutes } from '#telemetry/index.ts'
import { webRoutes } from '#web/index.ts'
import { readStats } from './read-stats.ts'
import type { ReadinessLook } from './readiness.ts'

/** Every route of the product, as the server serves them and the house test reads them. */
export function allRoutes(deps: {
  orders: OrdersDeps
  secrets: PartnerSecrets
  authenticator: Authenticator
  masterKey: Uint8Array
  prover: SealProver
  streams: EventStreams
  readiness: ReadinessLook['look']
  isSecure: boolean
}): readonly AnyRoute[] {
  const { context } = deps.orders
  const { database, merchant } = context
  const api = [
    ...storeRoutes(deps.orders),
    ...orderAdminRoutes(deps.orders),
    ...catalogRoutes(context, {
      availability: (skus) => availability(database, merchant, skus),
      onSale: (sku) => productOnSale(database, merchant, sku),
      pageOnSale: (page) => pageOnSale(database, merchant, page),
    }),
    ...inventoryRoutes(context),
    ...fulfillmentRoutes({ context, secrets: deps.secrets, prover: deps.prover }),
    ...partnerPauseRoutes(context),
    ...partnerSecretRoutes({ context, masterKey: deps.masterKey }),
    ...caseRoutes(context),
    ...reconciliationRoutes({ context }),
    ...accessRoutes(context, deps.authenticator),
    ...flagRoutes(context),
    ...subscriptionAdminRoutes({ context, masterKey: deps.masterKey, streams: deps.streams }),
    ...metricsRoutes(metrics),
  ]
  const pages = webRoutes(context, {
    authenticator: deps.authenticator,
    stats: () => readStats(context),
    readiness: deps.readiness,
    isSecure: deps.isSecure,
    otherRoutes: api,
  })
  return [...api, ...pages]
}
