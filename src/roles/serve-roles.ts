import { createAuthenticator } from '#access/index.ts'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import {
  approvalCheck,
  awaitFirstAttempt,
  DISPATCH_TIMINGS,
  handOverService,
  sealProver,
  startCanaries,
  startFulfillmentWorker,
} from '#fulfillment/index.ts'
import {
  fulfillmentClient,
  intakeService,
  reviewSchemas,
  startOrdersWorker,
} from '#orders/index.ts'
import type { FirstAttempt } from '#orders/index.ts'
import { partnerSecrets } from '#partners/index.ts'
import { isUnavailable } from '#platform/index.ts'
import type { Config, Shutdown } from '#platform/index.ts'
import { startGrpcServer } from '#platform/grpc/index.ts'
import { startHttpServer } from '#platform/http/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import { eventStreams, webhookDocuments } from '#subscriptions/index.ts'
import { startReconciliation } from '#reconciliation/index.ts'
import { httpObserver, metrics } from '#telemetry/index.ts'
import { HandoffService, MESSAGE_BYTES_MAX } from '#wire/index.ts'
import { BUILD } from './build.ts'
import { collectGauges, countRefusedHandOver } from './collect-gauges.ts'
import type { Installation } from './installation.ts'
import { orderStage } from './order-stage.ts'
import { openReadiness } from './readiness.ts'
import { allRoutes } from './routes.ts'
import { serveWebhooks } from './serve-webhooks.ts'

/** Roles a process may take. `ops` serves the admin routes, which every `web` process serves too. */
export const ROLES = ['web', 'orders', 'fulfillment', 'worker', 'ops'] as const
/** One of `ROLES`. */
export type RoleName = (typeof ROLES)[number]

/** Where the roles listen; undefined where none of them does. */
export type Serving = { readonly httpUrl: string | undefined; readonly grpcUrl: string | undefined }

/** Reads `--roles`: a comma-separated list; `usage_invalid` names what is not a role. */
export function parseRoles(text: string): Outcome<ReadonlySet<RoleName>> {
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !ROLES.some((role) => role === name))
  if (unknown !== undefined) {
    return refuse(
      'usage_invalid',
      `${unknown || 'an empty name'} is not a role; roles are ${ROLES.join(', ')}.`,
    )
  }
  return accept(new Set(ROLES.filter((role) => names.includes(role))))
}

/** Longest wait of an approving call: the undo window of a person's CLEAR, and one exchange. */
const FIRST_ATTEMPT_MAX_MS = 15_000

/** Starts the named roles over an installation and registers their ends, newest first. */
export async function serveRoles(
  installation: Installation,
  config: Config,
  roles: ReadonlySet<RoleName>,
  shutdown: Shutdown,
): Promise<Serving> {
  const { context, background, masterKey, reviewKeys, placing, tokens, flags } = installation
  const authenticator = createAuthenticator(context)
  const grpcUrl = await serveGrpc(installation, config, roles, shutdown)
  const ownUrl = grpcUrl ?? `http://${config.host}:${config.grpcPort}`
  const client = fulfillmentClient(config.fulfillmentUrl ?? ownUrl, masterKey)
  const secrets = partnerSecrets(context, masterKey)

  if (roles.has('worker')) {
    const timing = DISPATCH_TIMINGS[config.dispatchTiming]
    const outbound = openOutbound({ totalTimeoutMs: timing.sendBudgetMs })
    shutdown.onShutdown('outbound', () => outbound.close())
    const worker = await startFulfillmentWorker({
      context: background,
      flags,
      secrets,
      outbound,
      isProven: approvalCheck(reviewKeys),
      prover: sealProver(masterKey),
      timing,
      random: Math.random,
    })
    shutdown.onShutdown('fulfillment worker', () => worker.stop())
    serveWebhooks(installation, shutdown)
    const prover = sealProver(masterKey)
    const comparing = startReconciliation({ context: background, outbound, secrets, prover })
    shutdown.onShutdown('reconciliation', () => comparing.stop())
    const canaries = startCanaries({ context: background, secrets, outbound })
    shutdown.onShutdown('canaries', () => canaries.stop())
  }
  const ordersWorker = roles.has('orders')
    ? startOrdersWorker({ ...placing.deps, context: background }, client, countRefusedHandOver)
    : undefined
  if (ordersWorker) shutdown.onShutdown('orders worker', () => ordersWorker.stop())

  if (!roles.has('web') && !roles.has('ops')) return { httpUrl: undefined, grpcUrl }
  collectGauges(context)
  const orders = {
    context,
    placing,
    tokens,
    askWithdrawal: client.withdraw,
    askDecision: client.decide,
    stageOf: (orderId: string) => orderStage(context.database, context.merchant, orderId),
    afterClear: async (orderId: string): Promise<FirstAttempt> => {
      ordersWorker?.wake()
      if (flags.isOn('fulfillment_webhook_async')) return 'async'
      try {
        return await awaitFirstAttempt(context, orderId, FIRST_ATTEMPT_MAX_MS)
      } catch (fault) {
        // The order is cleared: that nobody could look at its dispatch changes nothing about that.
        if (isUnavailable(fault)) return 'pending'
        throw fault
      }
    },
  }
  const streams = eventStreams(context)
  const readiness = openReadiness(installation.runtimeUrl, context.merchant)
  shutdown.onShutdown('readiness', () => readiness.close())
  const routes = allRoutes({
    orders,
    secrets,
    authenticator,
    masterKey,
    prover: sealProver(masterKey),
    streams,
    readiness: readiness.look,
    isSecure: config.publicUrl?.startsWith('https:') ?? false,
  })
  const http = await startHttpServer({
    routes,
    host: config.host,
    port: config.httpPort,
    authenticate: authenticator.authenticate,
    log: context.log,
    observe: httpObserver(metrics, routes),
    about: {
      title: 'Holdfast',
      version: BUILD,
      webhooks: webhookDocuments(),
      schemas: reviewSchemas(),
    },
  })
  shutdown.onShutdown('http', () => http.close())
  shutdown.onShutdown('event streams', async () => streams.close())
  return { httpUrl: http.url, grpcUrl }
}

async function serveGrpc(
  installation: Installation,
  config: Config,
  roles: ReadonlySet<RoleName>,
  shutdown: Shutdown,
): Promise<string | undefined> {
  const { context, background, masterKey, reviewKeys, placing } = installation
  const { authenticate } = createAuthenticator(context)
  const intake = intakeService({
    placing,
    callerOf: async (authorization) => {
      const caller = await authenticate(authorization ? { authorization } : {}, 'POST')
      return caller.ok ? caller.value : undefined
    },
  })
  const receiver = handOverService({
    context: background,
    masterKey,
    reviewKeys,
    messageBytesMax: MESSAGE_BYTES_MAX,
  })
  const services = [
    ...(roles.has('orders') ? [intake] : []),
    ...(roles.has('fulfillment')
      ? [(router: Parameters<typeof intake>[0]) => void router.service(HandoffService, receiver)]
      : []),
  ]
  if (services.length === 0) return undefined
  const server = await startGrpcServer({
    services,
    host: config.host,
    port: config.grpcPort,
    messageBytesMax: MESSAGE_BYTES_MAX,
  })
  shutdown.onShutdown('grpc', () => server.close())
  return server.url
}
