import { change, statement, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'

const throttle = statement({
  name: 'fulfillment.throttle_lane',
  params: { merchant: 'text', partner: 'text', recent: 'float8' },
  text: `
    insert into fulfillment.lane as l (merchant_id, partner_id, rate_per_s, throttled_at)
    values ($merchant, $partner, greatest(0.2, $recent / 2), now())
    on conflict (merchant_id, partner_id) do update
       set rate_per_s = greatest(0.2, least(coalesce(l.rate_per_s, $recent), $recent) / 2),
           tokens = 0, tokens_at = now(), throttled_at = now()
     where l.throttled_at is null or l.throttled_at < now() - interval '1 second'`,
})

/**
 * Halves a partner's rate after a 429; `recentPerS` is what this process sent lately, per second. At
 * most once a second, however many answers say so. The claim lets the rate go again by itself.
 */
export async function throttleLane(
  { database, merchant, log }: Context,
  partner: string,
  recentPerS: number,
): Promise<void> {
  const changed = await withTransaction(database, (tx) =>
    change(tx, throttle, { merchant, partner, recent: Math.max(recentPerS, 0.1) }),
  )
  if (changed > 0)
    log.warn({ partner_id: partner }, 'the partner asks for less: its rate is halved')
}

const WINDOW_MS = 5_000

/** Counts sends per partner over the last five to ten seconds of monotonic time. */
export function sendMeter(nowMs: () => number) {
  const windows = new Map<string, { startMs: number; sends: number; before: number }>()
  const windowOf = (partner: string) => {
    const startMs = Math.floor(nowMs() / WINDOW_MS) * WINDOW_MS
    const known = windows.get(partner)
    if (known?.startMs === startMs) return known
    const before = known?.startMs === startMs - WINDOW_MS ? known.sends : 0
    const fresh = { startMs, sends: 0, before }
    windows.set(partner, fresh)
    return fresh
  }
  return {
    count: (partner: string): void => {
      windowOf(partner).sends += 1
    },
    perSecond: (partner: string): number => {
      const { startMs, sends, before } = windowOf(partner)
      return (sends + before) / ((nowMs() - startMs + (before > 0 ? WINDOW_MS : 0)) / 1_000 || 1)
    },
  }
}

/** What counts the sends of a process. */
export type SendMeter = ReturnType<typeof sendMeter>
