import { listPartners } from '#partners/index.ts'
import { applyInbox } from './ship/apply-inbox.ts'
import { watchOverdue } from './overdue/watch-overdue.ts'
import { watchUnaccepted, watchUnshipped } from './promise/watch-promises.ts'
import { openCompletionLane, runLane } from './dispatch/dispatch-lane.ts'
import { assertShipOnceIndex } from './seal/ship-once-index.ts'
import { listenForWork } from './work-signal.ts'
import { laneDeps } from './dispatch/lane-deps.ts'
import type { WorkerDeps } from './dispatch/worker-deps.ts'

/** A running worker. `stop` takes nothing new and resolves when what is under way is written. */
export type FulfillmentWorker = {
  readonly wake: () => void
  readonly stop: () => Promise<void>
}

const POLL_MS = 1_000

/**
 * Starts sealing, dispatching, resolving and applying partner events. Nothing is sealed for a partner or sent to
 * it before the handshake with it. Throws where the ship-once
 * index is missing. Wakes by NOTIFY and by itself; every partner has its own lane.
 */
export async function startFulfillmentWorker(given: WorkerDeps): Promise<FulfillmentWorker> {
  const { database, merchant, log } = given.context
  await assertShipOnceIndex(database)
  const pollMs = given.pollMs ?? POLL_MS
  const signal = listenForWork(database)
  const deps = laneDeps(given, signal.wake)
  const completions = openCompletionLane(deps)
  const underWay = new Set<Promise<void>>()
  const busyLanes = new Set<string>()
  const stopping = new AbortController()

  let wakes = 0
  const track = (work: Promise<void>): void => {
    const kept = work
      .catch((fault: unknown) => log.error({ fault: String(fault) }, 'a dispatch step failed'))
      .finally(() => {
        underWay.delete(kept)
        signal.wake()
      })
    underWay.add(kept)
  }
  // A lane runs once at a time, and again while it finds work or was woken meanwhile. One slow
  // partner never holds up the rounds of the others.
  const startLane = (name: string, round: () => Promise<number>): void => {
    if (busyLanes.has(name)) return
    busyLanes.add(name)
    const run = async (): Promise<void> => {
      try {
        let wakesSeen: number
        let did: number
        do {
          wakesSeen = wakes
          did = await round()
        } while (!stopping.signal.aborted && (did > 0 || wakes !== wakesSeen))
      } catch (fault) {
        log.error({ lane: name, fault: String(fault) }, 'a lane failed and runs again')
      }
      busyLanes.delete(name)
    }
    const kept = run().finally(() => underWay.delete(kept))
    underWay.add(kept)
  }
  const watchers = {
    unaccepted: atMostEverySecond(deps, () => watchUnaccepted(deps)),
    unshipped: atMostEverySecond(deps, () => watchUnshipped(deps)),
    dispatches: atMostEverySecond(deps, () => watchOverdue(deps.context, 'dispatch')),
    recalls: atMostEverySecond(deps, () => watchOverdue(deps.context, 'recall')),
  }
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        for (const partner of await listPartners(database, merchant)) {
          startLane(partner.id, () => runLane(deps, partner, completions, track))
        }
      } catch (fault) {
        log.error({ fault: String(fault) }, 'the partners cannot be read')
      }
      startLane('promises not accepted', watchers.unaccepted)
      startLane('promises not kept', watchers.unshipped)
      startLane('dispatches that wait for a person', watchers.dispatches)
      startLane('recalls that wait for a person', watchers.recalls)
      startLane('inbox', () => applyInbox(deps.context))
      if (await signal.wait(pollMs)) wakes += 1
    }
  }
  // Before the first round, so that what one partner shows is known before anything goes to another.
  const partners = await listPartners(database, merchant)
  await deps.handshakes.askAll(partners.filter((one) => one.pausedAt === null))
  const running = loop()
  return {
    wake: signal.wake,
    stop: async () => {
      stopping.abort()
      signal.wake()
      await running
      while (underWay.size > 0) await Promise.all(underWay)
      await deps.handshakes.idle()
      await completions.idle()
      await signal.close()
    },
  }
}

// Promises and work lists are a matter of hours and minutes: the wakes of a busy worker need not look
// at them each time, nor a failing look be repeated at once.
function atMostEverySecond(
  { context: { clock } }: Pick<WorkerDeps, 'context'>,
  round: () => Promise<number>,
): () => Promise<number> {
  let nextMs = 0
  return async () => {
    if (clock.monotonicMs() < nextMs) return 0
    nextMs = clock.monotonicMs() + 1_000
    const did = await round()
    if (did > 0) nextMs = 0
    return did
  }
}
