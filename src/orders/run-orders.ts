import { isUnavailable } from '#platform/index.ts'
import { expireOldCheckouts } from './checkout.ts'
import type { FulfillmentClient } from './fulfillment-client.ts'
import { handOverOnce } from './hand-over.ts'
import type { PlacingDeps } from './place-orders.ts'
import { resumeWithdrawals } from './withdraw-order.ts'

/** The background work of this domain; `wake` is a hint that something waits. */
export type OrdersWorker = { readonly wake: () => void; readonly stop: () => Promise<void> }

const POLL_MS = 500
const HOUSEKEEPING_MS = 5_000

/**
 * Hands decisions over as they are recorded, lets go of old checkouts and takes up withdrawals that
 * a crash left open. Any number of processes may run it: rows are claimed, not leaders elected.
 */
export function startOrdersWorker(
  deps: PlacingDeps,
  client: FulfillmentClient,
  onRefused: (code: string) => void = () => undefined,
): OrdersWorker {
  const { log, clock } = deps.context
  const stopping = new AbortController()
  let nudge: () => void = () => undefined
  let lastHousekeeping = clock.monotonicMs()

  const round = async (): Promise<boolean> => {
    const { records, refusal } = await handOverOnce(deps.context, client.handOver)
    if (refusal) onRefused(refusal.code)
    if (clock.monotonicMs() - lastHousekeeping >= HOUSEKEEPING_MS) {
      lastHousekeeping = clock.monotonicMs()
      await expireOldCheckouts(deps)
      await resumeWithdrawals(deps, client.withdraw)
    }
    return records > 0
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      let isBusy = false
      try {
        isBusy = await round()
      } catch (fault) {
        const calm = isUnavailable(fault)
        log.warn(
          { err: fault },
          calm ? 'the database is away; trying again' : 'a hand-over round failed; trying again',
        )
      }
      if (!isBusy && !stopping.signal.aborted) await pause()
    }
  }

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, POLL_MS)
      nudge = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const running = run()
  return {
    wake: () => nudge(),
    stop: async () => {
      stopping.abort()
      nudge()
      await running
    },
  }
}
