import type { Partner } from '#partners/index.ts'
import type { DispatchTiming } from './dispatch-timing.ts'

/** The clocks of this process and of the database may differ by this much (HDP/1 §3, row 29). */
const SKEW_MAX_MS = 60_000

/**
 * Why a claimed dispatch must not leave now, or undefined. Nothing has been written at this point, so
 * each reason is a definite "no effect". Pure.
 */
export function reasonNotToSend(facts: {
  readonly partner: Pick<Partner, 'url'>
  readonly timing: Pick<DispatchTiming, 'isLoopbackOnly'>
  readonly hasSecret: boolean
  readonly leaseLeftMs: number
  /** The longest that the request can take: the timeout of the client that would send it. */
  readonly sendBudgetMs: number
  /** This process's clock less the database's. */
  readonly skewMs: number
}): 'secret_missing' | 'lease_spent' | 'clock_skew' | 'timing_refused' | undefined {
  if (!facts.hasSecret) return 'secret_missing'
  if (facts.leaseLeftMs <= facts.sendBudgetMs) return 'lease_spent'
  if (Math.abs(facts.skewMs) > SKEW_MAX_MS) return 'clock_skew'
  if (facts.timing.isLoopbackOnly && !isLoopback(facts.partner.url)) return 'timing_refused'
  return undefined
}

const isLoopback = (url: string): boolean =>
  /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/.test(URL.parse(url)?.hostname ?? '')
