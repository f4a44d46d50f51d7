import { setTimeout as pause } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { Agent, request } from 'undici'
import type { CheckedConfig, PartnerConfig } from './config.ts'
import type { Ledger } from './ledger.ts'
import type { DispatchEntry, PendingEvent } from './ledger-state.ts'
import { renderEvent } from './partner-event.ts'
import type { PartnerEvent } from './partner-event.ts'
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
  readonly log: (line: string) => void
}

/** 409 and the like concern one event, which then waits aside; all else holds up the line. */
const SET_ASIDE = new Set([400, 409, 413, 422])

/** Starts the courier; it resumes with what the ledger says was not taken, and ships what was. */
export function startCourier(around: Surroundings): Courier {
  const { config, ledger, partner, log } = around
  const stopping = new AbortController()
  const agent = new Agent({ connections: 1, headersTimeout: 15_000, bodyTimeout: 15_000 })
  const aside = new Map<number, number>()
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
    const isNews = !event.part && event.dispatch.shippedAt === null
    if (isNews && config.shipDelayMs === 0) {
      await shipDispatch(ledger, partner, event.dispatch, (append) =>
        append({ t: 'told', event: event.sequence }, { lazy: true }),
      )
      return
    }
    await ledger.transact((append) => append({ t: 'told', event: event.sequence }, { lazy: true }))
    if (isNews) shipLater(event.dispatch)
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
      const event = nextEvent(ledger.state.pendingEvents, aside, now)
      if (!event) {
        const due = Math.min(...aside.values())
        await sleep(Number.isFinite(due) ? Math.max(1, due - now) : undefined)
        continue
      }
      const answer = await send(await renderEvent(ledger, partner, event))
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

function nextEvent(
  pending: ReadonlyMap<number, PendingEvent>,
  aside: ReadonlyMap<number, number>,
  now: number,
): PendingEvent | undefined {
  for (const event of pending.values()) {
    if ((aside.get(event.sequence) ?? 0) <= now) return event
  }
  return undefined
}

async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await pause(ms, undefined, { signal, ref: false }).catch(() => {})
}

async function postEvent(
  { config, partner }: Surroundings,
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
        'webhook-signature': new Webhook(partner.eventSecret).sign(event.id, at, event.body),
      },
      body: event.body,
    },
  )
  await answer.body.dump()
  return answer.statusCode
}
