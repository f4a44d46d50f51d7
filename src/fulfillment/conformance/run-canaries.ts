import { setTimeout as pause } from 'node:timers/promises'
import { claimDueProbe } from '#partners/index.ts'
import { probePartner } from './probe-partner.ts'
import type { ProbeDeps } from './probe-partner.ts'

/** The running canaries; `stop` waits for the probe under way. */
export type Canaries = { readonly stop: () => Promise<void> }

const POLL_MS = 60_000

/**
 * Probes every partner again when its day is over, by database time: a partner that was probed once
 * and forgets what it could do is downgraded before a retry relies on it. Any number of processes
 * may run this; each due probe is claimed by one.
 */
export function startCanaries(deps: ProbeDeps, pollMs: number = POLL_MS): Canaries {
  const { context } = deps
  const stopping = new AbortController()
  const { signal } = stopping

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        const partner = await claimDueProbe(context)
        if (partner !== undefined) {
          await probePartner(deps, { partner, cause: 'canary', actor: 'service:canary' })
          continue
        }
      } catch (fault) {
        context.log.error({ fault: String(fault) }, 'a canary could not run and is tried again')
      }
      await pause(pollMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  const running = run()
  return {
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}
