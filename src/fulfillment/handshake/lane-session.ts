import { newId } from '#kernel/index.ts'
import type { Clock } from '#kernel/index.ts'

/** Where a database stands: which cluster, which of its timelines, and how many bytes of WAL are durable. */
export type DatabasePosition = {
  readonly system: string
  readonly timeline: number
  readonly wal: number
}

/** What the statements that seal and claim are given: the session, and the WAL position that it has seen. */
export type LaneGate = { readonly session: string; readonly wal: number }

/**
 * How a database stands to what was seen of it. `behind`: it has lost what was durable. `elsewhere`: another
 * cluster, or a later timeline of it; its positions prove nothing.
 */
export type Standing = 'known' | 'behind' | 'elsewhere'

/** One incarnation of a worker process. A renewed session has a new id, and every lane is shut for it. */
export type LaneSession = {
  readonly gate: () => LaneGate
  /** Begins a new session where this process has stood still for longer than a lease. True where it did. */
  readonly touch: () => boolean
  /**
   * Takes what the database says of its position, asked under `gate`: answers overtake each other, so it is
   * compared with what was seen before the question. A session never outlives its database.
   */
  readonly note: (
    gate: LaneGate,
    found: DatabasePosition & { readonly inserted: number },
  ) => Standing
  /** The position that was seen last. */
  readonly position: () => DatabasePosition | undefined
}

/** Opens a session. `leaseMs` is how long a process may stand still before it asks its partners again. */
export function laneSession(clock: Clock, leaseMs: number): LaneSession {
  let id = newId('lse')
  let seen: DatabasePosition | undefined
  let touched = { monotonicMs: clock.monotonicMs(), nowMs: clock.nowMs() }
  return {
    gate: () => ({ session: id, wal: seen?.wal ?? 0 }),
    touch: () => {
      const now = { monotonicMs: clock.monotonicMs(), nowMs: clock.nowMs() }
      // The monotonic clock stops while a machine is suspended: the other one goes on.
      const stoodMs = Math.max(now.monotonicMs - touched.monotonicMs, now.nowMs - touched.nowMs)
      touched = now
      if (stoodMs <= leaseMs) return false
      id = newId('lse')
      return true
    },
    note: (gate, { inserted, ...found }) => {
      if (gate.session !== id) return 'known'
      const standing = seen
        ? standingOf({ ...seen, wal: gate.wal }, { ...found, wal: inserted })
        : 'known'
      if (standing === 'known') seen = { ...found, wal: Math.max(found.wal, seen?.wal ?? 0) }
      else {
        id = newId('lse')
        seen = found
      }
      return standing
    },
    position: () => seen,
  }
}

/** Compares a database with what was seen of it before. Pure. */
export function standingOf(seen: DatabasePosition, found: DatabasePosition): Standing {
  if (found.system !== seen.system) return 'elsewhere'
  if (found.timeline < seen.timeline || found.wal < seen.wal) return 'behind'
  return found.timeline > seen.timeline ? 'elsewhere' : 'known'
}
