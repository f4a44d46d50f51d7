import type { Partner } from '#partners/index.ts'
import { read } from '#platform/index.ts'
import { selectNextSequence } from './handshake-statements.ts'
import { shakeHands, shutForAll } from './shake-hands.ts'
import type { HandshakeDeps } from './shake-hands.ts'

/** The handshakes of one worker process. */
export type Handshakes = {
  /** Asks for a handshake with a partner whose lane is shut for this process; at most one at a time is under way. */
  readonly want: (partner: Partner) => void
  /** Asks the given partners in one round, and resolves when they have answered or two seconds are over. */
  readonly askAll: (partners: readonly Partner[]) => Promise<void>
  /** Says up to which number our books are known to go, read from the database. */
  readonly know: (partner: string, nextSequence: number) => void
  /** Looks at what a partner says it has seen; shuts its lane where our books never gave that number. */
  readonly look: (partner: string, seen: number | undefined) => Promise<void>
  /** Resolves when no handshake is under way. */
  readonly idle: () => Promise<void>
}

const FIRST_WAIT_MS = 250

/**
 * Opens the handshakes of a process. A partner that does not answer is asked again, after twice as long each time
 * up to `waitMaxMs`. `onOpen` is called when a lane was opened.
 */
export function handshakes(
  deps: HandshakeDeps,
  options: { readonly waitMaxMs: number; readonly onOpen: () => void },
): Handshakes {
  const { merchant, database, clock, log } = deps.context
  const wanted = new Map<string, Partner>()
  const waits = new Map<string, { readonly untilMs: number; readonly lastMs: number }>()
  const lastKnown = new Map<string, number>()
  let running: Promise<void> | undefined

  const round = async (): Promise<void> => {
    const partners = [...wanted.values()]
    wanted.clear()
    const done = await shakeHands(deps, partners)
    for (const { partner, isOpen } of done) {
      if (isOpen) {
        waits.delete(partner)
        continue
      }
      const lastMs = Math.min(
        (waits.get(partner)?.lastMs ?? FIRST_WAIT_MS / 2) * 2,
        options.waitMaxMs,
      )
      waits.set(partner, { untilMs: clock.monotonicMs() + lastMs, lastMs })
    }
    if (done.some((one) => one.isOpen)) options.onOpen()
  }
  const start = (): void => {
    running ??= Promise.resolve()
      // Lanes that begin in the same turn are asked in the same round.
      .then(round)
      .catch((fault: unknown) =>
        log.error({ fault: String(fault) }, 'a handshake failed and is tried again'),
      )
      .finally(() => {
        running = undefined
        if (wanted.size > 0) start()
      })
  }
  const idle = async (): Promise<void> => {
    for (let now = running; now; now = running) await now
  }
  return {
    askAll: async (partners) => {
      for (const partner of partners) wanted.set(partner.id, partner)
      if (wanted.size > 0) start()
      await idle()
    },
    want: (partner) => {
      if ((waits.get(partner.id)?.untilMs ?? 0) > clock.monotonicMs()) return
      wanted.set(partner.id, partner)
      start()
    },
    know: (partner, nextSequence) => {
      lastKnown.set(partner, Math.max(lastKnown.get(partner) ?? 0, nextSequence - 1))
    },
    look: async (partner, seen) => {
      if (seen === undefined || seen <= (lastKnown.get(partner) ?? 0)) return
      // Read after the answer: another process may have sealed meanwhile.
      const [row] = await read(database, selectNextSequence, { merchant, partner })
      const last = (row?.next_sequence ?? 1) - 1
      lastKnown.set(partner, last)
      if (seen > last) await shutForAll(deps.context, partner, { reason: 'ahead', upto: seen })
    },
    idle,
  }
}
