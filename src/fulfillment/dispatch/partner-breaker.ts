import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleWhenResult,
} from 'cockatiel'
import type { Log } from '#platform/index.ts'
import type { OutboundResult } from '#platform/outbound/index.ts'

/** Failures in a row that open a breaker. */
const FAILURES_MAX = 5

/** One breaker per partner of a process: an endpoint that is down is asked, not sent to. */
export type PartnerBreakers = {
  readonly isClosed: (partner: string) => boolean
  /** Runs an exchange where the breaker lets it; `breaker_open` where no byte was written for it. */
  readonly run: (
    partner: string,
    exchange: () => Promise<OutboundResult>,
  ) => Promise<OutboundResult>
  /** Partners whose breaker is not closed now. */
  readonly open: () => number
}

/**
 * Breakers that open after five failures in a row and let one exchange try again after `halfOpenMs`.
 * The lane gives them a look-up for that, never a real order.
 */
export function partnerBreakers(log: Log, halfOpenMs: number): PartnerBreakers {
  const breakers = new Map<string, ReturnType<typeof breakerOf>>()
  const of = (partner: string) => {
    const known = breakers.get(partner)
    if (known) return known
    const made = breakerOf(log, partner, halfOpenMs)
    breakers.set(partner, made)
    return made
  }
  return {
    isClosed: (partner) => of(partner).state === CircuitState.Closed,
    open: () => [...breakers.values()].filter((one) => one.state !== CircuitState.Closed).length,
    async run(partner, exchange) {
      try {
        return await of(partner).execute(exchange)
      } catch (fault) {
        if (!(fault instanceof BrokenCircuitError)) throw fault
        return { kind: 'no_byte_written', code: 'breaker_open' }
      }
    },
  }
}

function breakerOf(log: Log, partner: string, halfOpenMs: number) {
  const breaker = circuitBreaker(handleWhenResult(isFailure), {
    halfOpenAfter: halfOpenMs,
    breaker: new ConsecutiveBreaker(FAILURES_MAX),
  })
  const fields = { partner_id: partner }
  breaker.onBreak(() => log.error(fields, 'a partner does not answer: its breaker is open'))
  breaker.onReset(() => log.info(fields, 'a partner answers again: its breaker is closed'))
  return breaker
}

/** No answer, or an answer that the endpoint itself is broken. A refusal is an answer. */
function isFailure(result: unknown): boolean {
  if (typeof result !== 'object' || result === null || !('kind' in result)) return true
  if (result.kind !== 'reply') return true
  return 'status' in result && typeof result.status === 'number' && result.status >= 500
}
