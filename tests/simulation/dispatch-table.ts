import { SHIP_BY_STOP_MS } from '#fulfillment/promise/near-promise.ts'

/**
 * A dispatch as its row in `fulfillment.dispatch` holds it, as far as the protocol reads it. Times are
 * milliseconds of the database's clock.
 */
export type Row = {
  readonly id: string
  readonly key: string
  readonly sequence: number
  /** The nearest promise of its orders; null where none has one. */
  readonly shipBy: number | null
  state:
    | 'queued'
    | 'sending'
    | 'unknown'
    | 'accepted'
    | 'rejected'
    | 'needs_operator'
    | 'quarantined'
  attempt: number
  nextAttemptAt: number
  token: string | null
  leaseUntil: number | null
  intentAt: number | null
  firstAttemptAt: number | null
  absentSince: number | null
  lastCode: string | null
  lastStatus: number | null
}

/** What a completion writes, as `completeDispatches` takes it. */
export type Written = {
  readonly id: string
  readonly token: string
  readonly before: 'sending' | 'unknown'
  readonly state: Row['state']
  readonly delayMs: number
  readonly code: string
  readonly isAbsent: boolean
  /** The status of an attempt, null where there was none; absent for a look-up, which is no attempt. */
  readonly status?: number | null
}

/** A model of the statements in `dispatch-statements.ts`; a test holds it to the real ones. */
export type DispatchTable = {
  readonly insert: (row: Pick<Row, 'id' | 'key' | 'sequence' | 'shipBy'>) => Row
  readonly claimDue: (claim: {
    readonly concurrency: number
    readonly limit: number
    readonly token: string
    readonly leaseMs: number
  }) => readonly Row[]
  readonly claimUnknown: (limit: number, token: string) => readonly Row[]
  /** Stops what waits to be sent again although its promise is near. */
  readonly stopNear: () => readonly Row[]
  readonly expireLeases: (state: 'unknown' | 'needs_operator') => readonly Row[]
  /** True where the fence held and the row was written. */
  readonly complete: (written: Written) => boolean
  readonly settleByHand: (id: string, state: 'accepted' | 'queued') => boolean
  /** Rows that are queued, being sent or unknown: what `selectLaneWork` counts. */
  readonly unsettled: () => number
  /** The newest sequence that the partner has answered for. */
  readonly acceptedSequence: () => number
  /** Rows that are not settled, by id. */
  readonly live: ReadonlyMap<string, Row>
}

const SETTLED = new Set<Row['state']>(['accepted', 'rejected'])
const UNSETTLED = new Set<Row['state']>(['queued', 'sending', 'unknown'])
const BY_HAND = new Set<Row['state']>(['unknown', 'needs_operator', 'quarantined'])
const MINUTE_MS = 60_000

/** An empty table of one partner under a clock. */
export function dispatchTable(nowMs: () => number): DispatchTable {
  const live = new Map<string, Row>()
  let accepted = 0
  const due = (
    state: Row['state'],
    limit: number,
    isDue: (row: Row) => boolean = () => true,
  ): Row[] =>
    [...live.values()]
      .filter((row) => row.state === state && row.nextAttemptAt <= nowMs() && isDue(row))
      .toSorted((a, b) => a.nextAttemptAt - b.nextAttemptAt || (a.id < b.id ? -1 : 1))
      .slice(0, Math.max(0, limit))
  // `IS_STOPPED_BY_PROMISE` of near-promise.ts.
  const isStopped = ({ attempt, lastCode, shipBy }: Row): boolean =>
    attempt > 0 && lastCode !== 'operator' && shipBy !== null && shipBy <= nowMs() + SHIP_BY_STOP_MS
  const settle = (row: Row): void => {
    if (!SETTLED.has(row.state)) return
    accepted = Math.max(accepted, row.sequence)
    live.delete(row.id)
  }
  return {
    live,
    acceptedSequence: () => accepted,
    unsettled: () => {
      let count = 0
      for (const row of live.values()) if (UNSETTLED.has(row.state)) count += 1
      return count
    },
    insert({ id, key, sequence, shipBy }) {
      const row: Row = {
        id,
        key,
        sequence,
        shipBy,
        state: 'queued',
        attempt: 0,
        nextAttemptAt: nowMs(),
        token: null,
        leaseUntil: null,
        intentAt: null,
        firstAttemptAt: null,
        absentSince: null,
        lastCode: null,
        lastStatus: null,
      }
      live.set(id, row)
      return row
    },
    claimDue({ concurrency, limit, token, leaseMs }) {
      const sending = [...live.values()].filter((row) => row.state === 'sending').length
      const rows = due('queued', Math.min(limit, concurrency - sending), (row) => !isStopped(row))
      for (const row of rows) {
        row.state = 'sending'
        row.token = token
        row.leaseUntil = nowMs() + leaseMs
        row.intentAt = nowMs()
        row.firstAttemptAt ??= nowMs()
        row.attempt += 1
        row.absentSince = null
      }
      return rows
    },
    claimUnknown(limit, token) {
      const rows = due('unknown', limit)
      for (const row of rows) {
        row.token = token
        row.nextAttemptAt = nowMs() + MINUTE_MS
      }
      return rows
    },
    stopNear() {
      const rows = [...live.values()].filter((row) => row.state === 'queued' && isStopped(row))
      for (const row of rows) {
        row.state = 'needs_operator'
        row.lastCode = 'ship_by_near'
        row.nextAttemptAt = nowMs()
      }
      return rows
    },
    expireLeases(state) {
      const rows = [...live.values()].filter(
        (row) => row.state === 'sending' && (row.leaseUntil ?? 0) < nowMs(),
      )
      for (const row of rows) {
        row.state = state
        row.lastCode = 'lease_expired'
        row.lastStatus = null
        release(row, nowMs())
      }
      return rows
    },
    complete(written) {
      const row = live.get(written.id)
      if (!row || row.token !== written.token || row.state !== written.before) return false
      row.state = written.state
      row.lastCode = written.code
      if (written.status !== undefined) row.lastStatus = written.status
      release(row, nowMs() + written.delayMs)
      row.absentSince = written.isAbsent ? (row.absentSince ?? nowMs()) : null
      settle(row)
      return true
    },
    settleByHand(id, state) {
      const row = live.get(id)
      if (!row || !BY_HAND.has(row.state)) return false
      row.state = state
      row.lastCode = 'operator'
      release(row, nowMs())
      settle(row)
      return true
    },
  }
}

function release(row: Row, nextAttemptAt: number): void {
  row.token = null
  row.leaseUntil = null
  row.nextAttemptAt = nextAttemptAt
}
