import { setTimeout as pause } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { Agent, request } from 'undici'
import type { CheckedConfig, PartnerConfig } from './config.ts'
import type { Append, Ledger } from './ledger.ts'
import type { EventStrike } from './faults.ts'
import type { DispatchEntry, PendingEvent } from './ledger-state.ts'
import { renderEvent } from './partner-event.ts'
import type { PartnerEvent } from './partner-event.ts'
import type { PartnerSettings } from './settings.ts'
import { isToShip, shipDispatch } from './ship-dispatch.ts'

/** Brings a partner's events to Holdfast: one at a time, in order of sequence, until taken. */
export type Courier = {
  /** Says that there may be something to bring. */
  readonly wake: () => void
  /** Ends after the attempt under way; what was not taken is brought after the next start. */
  readonly stop: () => Promise<void>
}

type Surroundings = {
  readonly config: CheckedConfig
  readonly partner: PartnerConfig
  readonly ledger: Ledger
  readonly settings: PartnerSettings
  readonly log: (line: string) => void
}

/** 409 and the like concern one event, which then waits aside; all else holds up the line. */
const SET_ASIDE = new Set([400, 409, 413, 422])

/** Starts the courier; it resumes with what the ledger says was not taken, and ships what was. */
export function startCourier(around: Surroundings): Courier {
  const { config, ledger, partner, settings, log } = around
  const stopping = new AbortController()
  const agent = new Agent({ connections: 1, headersTimeout: 15_000, bodyTimeout: 15_000 })
  const aside = new Map<number, number>()
  const strikes = new Map<number, EventStrike | undefined>()
  let wake = (): void => {}
  let fails = 0

  const send = async (event: PartnerEvent): Promise<number | string> => {
    try {
      return await postEvent(around, agent, { event, signal: stopping.signal })
    } catch (fault) {
      return fault instanceof Error ? fault.message : String(fault)
    }
  }

  const taken = async (event: PendingEvent): Promise<void> => {
    fails = 0
    aside.delete(event.sequence)
    strikes.delete(event.sequence)
    // A restore may have lost the event while it was under way.
    const tell = (append: Append): void => {
      if (!ledger.state.pendingEvents.has(event.sequence)) return
      append({ t: 'told', event: event.sequence }, { lazy: true })
    }
    const isNews = isAcceptance(event)
    if (isNews && config.shipDelayMs === 0) {
      await shipDispatch(ledger, partner, event.dispatch, tell)
      return
    }
    await ledger.transact(tell)
    if (isNews) shipLater(event.dispatch)
  }

  /** True where a fault dealt with the event for now: it is lost, or later ones overtake it. */
  const isStruck = async (event: PendingEvent): Promise<boolean> => {
    const strike = drawn(event)
    if (strike?.fault === 'lose_event') {
      await taken(event)
      return true
    }
    if (strike?.fault !== 'delay_event') return false
    strikes.set(event.sequence, undefined)
    aside.set(event.sequence, performance.now() + (strike.value ?? 50))
    // The warehouse does not wait for its own message: the shipment may be told of first.
    if (isAcceptance(event)) await shipDispatch(ledger, partner, event.dispatch)
    return true
  }

  const drawn = (event: PendingEvent): EventStrike | undefined => {
    if (strikes.has(event.sequence)) return strikes.get(event.sequence)
    const type = event.part ? 'shipment.shipped' : 'dispatch.accepted'
    const strike = settings.faults.drawEvent({ type, key: event.dispatch.key })
    strikes.set(event.sequence, strike)
    return strike
  }

  /** When an event may go, in monotonic milliseconds. */
  const dueOf = (event: PendingEvent): number => {
    const delayMs = event.part ? 0 : settings.profile().processing_delay_ms
    if (delayMs === 0) return aside.get(event.sequence) ?? 0
    const processedInMs = Date.parse(event.at) + delayMs - Date.now()
    return Math.max(aside.get(event.sequence) ?? 0, performance.now() + processedInMs)
  }

  const shipLater = (dispatch: DispatchEntry): void => {
    void pause(config.shipDelayMs, undefined, { signal: stopping.signal, ref: false })
      .then(() => shipDispatch(ledger, partner, dispatch))
      .then(() => wake())
      .catch((fault: unknown) => {
        if (!stopping.signal.aborted) log(`${partner.id}: cannot ship: ${String(fault)}`)
      })
  }

  /** Milliseconds until the next attempt at anything. */
  const refused = (event: PendingEvent, answer: number | string): number => {
    if (stopping.signal.aborted) return 0
    const isAside = typeof answer === 'number' && SET_ASIDE.has(answer)
    const isLoud = isAside || answer === 401 || answer === 403
    fails += isAside ? 0 : 1
    if (isLoud || fails === 1)
      log(`${partner.id}: event ${event.sequence} was not taken: ${answer}; it is kept`)
    if (isAside) {
      aside.set(event.sequence, performance.now() + config.retry.slowMs)
      return 0
    }
    if (isLoud) return config.retry.slowMs
    const ceiling = Math.min(config.retry.maxMs, config.retry.minMs * 2 ** Math.min(fails - 1, 20))
    return ceiling * (0.75 + Math.random() * 0.25)
  }

  const sleep = async (ms: number | undefined): Promise<void> => {
    const woken = new Promise<void>((resolve) => {
      wake = resolve
    })
    const quit = new AbortController()
    const signal = AbortSignal.any([quit.signal, stopping.signal])
    const timed = pause(ms ?? 60_000, undefined, { signal, ref: false }).catch(() => {})
    await Promise.race([woken, timed])
    quit.abort()
  }

  const run = async (): Promise<void> => {
    for (const dispatch of ledger.state.dispatches) if (isToShip(dispatch)) shipLater(dispatch)
    while (!stopping.signal.aborted) {
      const now = performance.now()
      const { event, dueMs } = nextEvent(ledger.state.pendingEvents, dueOf, now)
      if (!event) {
        await sleep(Number.isFinite(dueMs) ? Math.max(1, dueMs - now) : undefined)
        continue
      }
      if (await isStruck(event)) continue
      const rendered = await renderEvent(ledger, partner, event)
      if (drawn(event)?.fault === 'repeat_event') await send(rendered)
      const answer = await send(rendered)
      if (typeof answer === 'number' && answer >= 200 && answer < 300) await taken(event)
      else await pauseFor(refused(event, answer), stopping.signal)
    }
  }

  const running = run().catch((fault: unknown) => {
    if (!stopping.signal.aborted) log(`${partner.id}: the courier stopped: ${String(fault)}`)
  })
  return {
    wake: () => wake(),
    stop: async () => {
      stopping.abort()
      await running
      await agent.destroy()
    },
  }
}

/** News of an acceptance whose goods are still here. */
function isAcceptance(event: PendingEvent): boolean {
  return !event.part && event.dispatch.shippedAt === null
}

function nextEvent(
  pending: ReadonlyMap<number, PendingEvent>,
  dueOf: (event: PendingEvent) => number,
  now: number,
): { readonly event?: PendingEvent; readonly dueMs: number } {
  let dueMs = Number.POSITIVE_INFINITY
  for (const event of pending.values()) {
    const due = dueOf(event)
    if (due <= now) return { event, dueMs: due }
    dueMs = Math.min(dueMs, due)
  }
  return { dueMs }
}

async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await pause(ms, undefined, { signal, ref: false }).catch(() => {})
}

async function postEvent(
  { config, partner, settings }: Surroundings,
  agent: Agent,
  { event, signal }: { event: PartnerEvent; signal: AbortSignal },
): Promise<number> {
  const at = new Date()
  const answer = await request(
    `${config.callbackUrl.replace(/\/$/, '')}/partners/${partner.id}/events`,
    {
      method: 'POST',
      dispatcher: agent,
      signal,
      headers: {
        'content-type': 'application/json',
        'webhook-id': event.id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'webhook-signature': settings
          .secrets()
          .event.map((secret) => new Webhook(secret).sign(event.id, at, event.body))
          .join(' '),
      },
      body: event.body,
    },
  )
  await answer.body.dump()
  return answer.statusCode
}
