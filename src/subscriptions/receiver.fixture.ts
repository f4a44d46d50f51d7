// A merchant's endpoint with a ledger of its own, and a shop whose events go there.
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { Webhook } from 'standardwebhooks'
import { vi } from 'vitest'
import { orThrow, seededRandom } from '#kernel/index.ts'
import { appendEvents, withTransaction } from '#platform/index.ts'
import type { Context, NewEvent } from '#platform/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import { createSubscription } from './create-subscription.ts'
import type { NewSubscription } from './create-subscription.ts'
import { startSubscriptionWorker } from './delivery/run-subscriptions.ts'
import type { SubscriptionWorkerDeps } from './delivery/run-subscriptions.ts'

export const MASTER_KEY = Buffer.alloc(32, 7)

/** One request as the endpoint got it. */
export type Received = {
  readonly id: string
  readonly body: string
  readonly event: { readonly id: string; readonly type: string; readonly data: object }
  readonly headers: Readonly<Record<string, string>>
}

/** What the endpoint answers: a status and headers, or nothing until it is released. */
export type Answering = (
  request: Received,
  response: ServerResponse,
) => number | readonly [number, Record<string, string>] | 'later'

/** An endpoint on loopback; `answer` may be changed at any time. */
export async function openReceiver() {
  const seen: Received[] = []
  const state: { answer: Answering; open: number; openMax: number } = {
    answer: () => 204,
    open: 0,
    openMax: 0,
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      state.open += 1
      state.openMax = Math.max(state.openMax, state.open)
      response.on('close', () => (state.open -= 1))
      const body = Buffer.concat(chunks).toString()
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      )
      const one = { id: headers['webhook-id'] ?? '', body, event: JSON.parse(body), headers }
      seen.push(one)
      const answer = state.answer(one, response)
      if (answer === 'later') return
      if (typeof answer === 'number') response.writeHead(answer).end()
      else response.writeHead(...answer).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/hooks/`,
    seen,
    state,
    ids: () => new Set(seen.map((one) => one.event.id)),
    close: () => {
      server.closeAllConnections()
      return new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** True where the official library accepts a request under this secret. */
export function isSignedBy(secret: string, request: Received): boolean {
  try {
    new Webhook(secret).verify(request.body, request.headers)
    return true
  } catch {
    return false
  }
}

/** A database with subscriptions; `stop` takes it all down again. */
export async function openShop() {
  const test = await createTestDatabase({ connectionsMax: 20 })
  const context = await createTestContext(test.database)
  const outbound = openOutbound({ connectTimeoutMs: 2_000, headersTimeoutMs: 5_000 })
  const deps: SubscriptionWorkerDeps = {
    context,
    masterKey: MASTER_KEY,
    outbound,
    random: seededRandom(14),
    pollMs: 25,
  }
  return {
    test,
    context,
    outbound,
    deps,
    append: (...events: readonly NewEvent[]) => appendTo(context, events),
    subscribe: async (url: string, over: Partial<NewSubscription> = {}) =>
      orThrow(
        await createSubscription(context, MASTER_KEY, {
          url,
          allowPrivate: true,
          actor: 'test',
          ...over,
        }),
      ),
    startWorker: (over: Partial<SubscriptionWorkerDeps> = {}) =>
      startSubscriptionWorker({ ...deps, ...over }),
    rows: async (text: string, values: readonly unknown[] = []) =>
      (await test.database.pool.query<Record<string, unknown>>(text, [...values])).rows,
    asOwner: test.asOwner,
    stop: async () => {
      await outbound.close()
      await test.drop()
    },
  }
}

const appendTo = (context: Context, events: readonly NewEvent[]): Promise<void> =>
  withTransaction(context.database, (tx) => appendEvents(tx, context.merchant, events))

/** Polls a condition for as long as a busy machine may need. */
export const eventually = <T>(body: () => T | Promise<T>, timeout = 30_000): Promise<T> =>
  vi.waitFor(body, { timeout, interval: 25 })

/** Cancelled orders: one public event each. */
export const cancelled = (count: number, prefix = 'ord'): readonly NewEvent[] =>
  Array.from({ length: count }, (_, index) => ({
    subjectId: `${prefix}_${index}`,
    kind: 'order.cancelled',
    data: { units_released: 1 },
  }))
