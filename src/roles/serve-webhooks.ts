import { openOutbound } from '#platform/outbound/index.ts'
import type { Shutdown } from '#platform/index.ts'
import { startSubscriptionWorker } from '#subscriptions/index.ts'
import type { Installation } from './installation.ts'

/** An endpoint has less time than a partner: it has to take a message, not to work on it. */
const WEBHOOK_LIMITS = {
  connectTimeoutMs: 3_000,
  headersTimeoutMs: 12_000,
  totalTimeoutMs: 15_000,
  responseBytesMax: 16 * 1024,
}

/** Starts the delivery of events to webhook subscriptions and registers its end. */
export function serveWebhooks(
  { background: context, masterKey }: Installation,
  shutdown: Shutdown,
): void {
  const outbound = openOutbound(WEBHOOK_LIMITS)
  shutdown.onShutdown('webhook outbound', () => outbound.close())
  const worker = startSubscriptionWorker({ context, masterKey, outbound, random: Math.random })
  shutdown.onShutdown('webhooks', () => worker.stop())
}
