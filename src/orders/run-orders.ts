import { isUnavailable } from '#platform/index.ts'
import type { Log } from '#platform/index.ts'
import { expireOldCheckouts } from './checkout.ts'
import { decideAgain } from './decide-again.ts'
import type { FulfillmentClient } from './hand-over/fulfillment-client.ts'
import { handOverOnce } from './hand-over/hand-over.ts'
import type { PlacingDeps } from './place/place-orders.ts'
import { watchHandOver } from './hand-over/watch-hand-over.ts'
import { watchRules } from './watch-rules.ts'
import { resumeDecisions } from './resume-decisions.ts'
import { resumeWithdrawals } from './withdraw-order.ts'

/** The background work of this domain; `wake` is a hint that something waits. */
export type OrdersWorker = { readonly wake: () => void; readonly stop: () => Promise<void> }

const POLL_MS = 500
const HOUSEKEEPING_MS = 5_000
const WITHDRAWALS_MS = 1_000

/**
 * Hands decisions over as they are recorded, lets go of old checkouts and takes up withdrawals that
 * are open. Any number of processes may run it: rows are claimed, not leaders elected.
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
  let lastWithdrawals = lastHousekeeping

  const isAgreed = limitsCheck(client, log, onRefused)

  const handOver = async (): Promise<boolean> => {
    if (!(await isAgreed())) return false
    const { records, refusal } = await handOverOnce(deps.context, client.handOver)
    if (refusal) onRefused(refusal.code)
    return records > 0
  }

  // Each part has its turn, whatever became of the one before it: while fulfillment is away every hand-over
  // throws, and stock must be let go of, and somebody told, all the same.
  const attempt = async (part: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work()
    } catch (fault) {
      const calm = isUnavailable(fault)
      log.warn(
        { err: fault },
        calm ? 'the database is away; trying again' : `${part} failed; trying again`,
      )
    }
  }

  const round = async (): Promise<boolean> => {
    if (clock.monotonicMs() - lastHousekeeping >= HOUSEKEEPING_MS) {
      lastHousekeeping = clock.monotonicMs()
      await attempt('letting go of old checkouts', () => expireOldCheckouts(deps))
      await attempt('the look at the hand-over', () => watchHandOver(deps.context))
      await attempt('the look at the stored rules', () => watchRules(deps.context))
    }
    let isBusy = false
    await attempt('a hand-over round', async () => (isBusy = await handOver()))
    if (clock.monotonicMs() - lastWithdrawals >= WITHDRAWALS_MS) {
      lastWithdrawals = clock.monotonicMs()
      await attempt('taking up withdrawals', () => resumeWithdrawals(deps, client.withdraw))
      await attempt('deciding again', () => decideAgain(deps))
      await attempt('taking up decisions', () => resumeDecisions(deps, client.decide))
    }
    return isBusy
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const isBusy = await round()
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

/**
 * Whether the two ends take the same limits: asked until they do, and then never again. Nothing is
 * handed over before, since what one end may seal the other might cut off.
 */
function limitsCheck(
  client: FulfillmentClient,
  log: Log,
  onRefused: (code: string) => void,
): () => Promise<boolean> {
  let isAgreed = false
  let told = ''
  return async () => {
    if (isAgreed) return true
    const agreed = await client.agreeOnLimits().catch((fault: unknown) => {
      log.debug({ err: fault }, 'the receiver does not answer yet')
      return undefined
    })
    isAgreed = agreed?.ok === true
    if (!agreed || agreed.ok) return isAgreed
    onRefused(agreed.refusal.code)
    if (told !== agreed.refusal.detail) log.error(agreed.refusal, 'the hand-over does not begin')
    told = agreed.refusal.detail
    return false
  }
}
