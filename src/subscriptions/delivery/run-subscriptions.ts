import { batchLane, newId } from '#kernel/index.ts'
import type { BatchLane, Random } from '#kernel/index.ts'
import { listen, many, maybe, read, withTransaction } from '#platform/index.ts'
import type { Context, RowOf } from '#platform/index.ts'
import type { Outbound } from '#platform/outbound/index.ts'
import { liveSecrets } from '../subscription-secrets.ts'
import { completeAll } from './complete-deliveries.ts'
import type { Completion } from './complete-deliveries.ts'
import { fanOut } from './fan-out.ts'
import { claimDeliveries, lockForClaim, selectWork, WORK_LIMITS } from './lane-statements.ts'
import { sendDelivery } from './send-delivery.ts'
import { sweepDeliveries } from './sweep-deliveries.ts'

/** What the worker is given. */
export type SubscriptionWorkerDeps = {
  readonly context: Context
  readonly masterKey: Uint8Array
  readonly outbound: Outbound
  readonly random: Random
  /** Milliseconds between two looks where nothing wakes it; 500 where absent. */
  readonly pollMs?: number
  /** Seconds of a lease: longer than the longest request, 15 s. 30 where absent. */
  readonly leaseS?: number
}

/** A running worker. `stop` takes nothing new and resolves when what is under way is written. */
export type SubscriptionWorker = {
  readonly wake: () => void
  readonly stop: () => Promise<void>
}

type Work = RowOf<typeof selectWork.row>

const POLL_MS = 500
const LEASE_S = 30
const SWEEP_EVERY_MS = 10 * 60_000

/**
 * Reads the feed for every subscription and delivers. Each has a lane of its own, with its own bound of
 * requests under way, so that a slow endpoint holds up nobody else.
 */
export function startSubscriptionWorker(deps: SubscriptionWorkerDeps): SubscriptionWorker {
  const { context } = deps
  const { log, database, merchant, clock } = context
  const stopping = new AbortController()
  const underWay = new Set<Promise<void>>()
  const busy = new Set<string>()
  const completions = batchLane<Completion, boolean>({
    batchMax: 256,
    queueMax: 100_000,
    run: (batch) => completeAll(context, deps.random, batch),
  })
  let release: (() => void) | undefined
  let isWoken = false
  const wake = (): void => {
    isWoken = true
    release?.()
  }
  // What tells fulfillment that there is work tells of events too. A hint: the poll stands behind it.
  const listener = listen(database, 'holdfast_work', wake)
  const wait = async (): Promise<void> => {
    if (!isWoken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deps.pollMs ?? POLL_MS)
        release = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    release = undefined
    isWoken = false
  }
  // A step that did something may have made room or work; one that failed waits for the next look.
  const track = (work: Promise<boolean>, what: object): void => {
    const kept: Promise<void> = work
      .then((didSomething) => (didSomething ? wake() : undefined))
      .catch((fault: unknown) =>
        log.error({ ...what, fault: String(fault) }, 'a webhook step failed and is done again'),
      )
      .finally(() => underWay.delete(kept))
    underWay.add(kept)
  }
  const startLane = (work: Work): void => {
    if (busy.has(work.id) || !(work.is_due || work.is_behind)) return
    busy.add(work.id)
    const fields = { subscription_id: work.id }
    const send = (sending: Promise<boolean>): void => track(sending, fields)
    track(
      runLane(deps, work, { completions, send }).finally(() => busy.delete(work.id)),
      fields,
    )
  }
  const loop = async (): Promise<void> => {
    let sweptMs = Number.NEGATIVE_INFINITY
    while (!stopping.signal.aborted) {
      try {
        const all = await read(database, selectWork, { merchant, ...WORK_LIMITS })
        for (const work of all) startLane(work)
        if (clock.monotonicMs() - sweptMs > SWEEP_EVERY_MS) {
          sweptMs = clock.monotonicMs()
          track(sweepDeliveries(context).then(isNothing), { step: 'sweep' })
        }
      } catch (fault) {
        log.error({ fault: String(fault) }, 'the webhook subscriptions cannot be read')
      }
      await wait()
    }
  }
  const running = loop()
  return {
    wake,
    stop: async () => {
      stopping.abort()
      wake()
      await running
      while (underWay.size > 0) await Promise.all(underWay)
      await completions.idle()
      await listener.stop()
    },
  }
}

/** One round of a lane: reads the feed on, then starts as many requests as there is room for. */
async function runLane(
  deps: SubscriptionWorkerDeps,
  work: Work,
  to: {
    readonly completions: BatchLane<Completion, boolean>
    readonly send: (sending: Promise<boolean>) => void
  },
): Promise<boolean> {
  const hasMore = work.is_behind && (await fanOut(deps.context, work.id))
  const { context, masterKey, outbound } = deps
  const { merchant, database, clock } = context
  const token = newId('lse')
  const claimed = await withTransaction(database, async (tx) => {
    if (!(await maybe(tx, lockForClaim, { merchant, id: work.id }))) return []
    return many(tx, claimDeliveries, {
      merchant,
      subscription: work.id,
      concurrency: work.concurrency,
      token,
      lease: deps.leaseS ?? LEASE_S,
    })
  })
  if (claimed.length === 0) return hasMore
  const secrets = await liveSecrets(database, masterKey, { merchant, subscription: work.id })
  const deliver = async (one: (typeof claimed)[number]): Promise<boolean> => {
    const { url, allow_private: allowPrivate } = work
    const message = { id: one.id, url, body: one.body, secrets, allowPrivate }
    const attempted = await sendDelivery(outbound, clock, message)
    await to.completions.submit({
      subscription: work.id,
      delivery: one.id,
      type: one.type,
      token,
      attempt: one.attempt,
      tries: one.tries,
      startedAt: one.now,
      attempted,
    })
    return true
  }
  for (const one of claimed) to.send(deliver(one))
  return true
}

const isNothing = (): boolean => false
