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
    | 'recalling'
    | 'recalled'
    | 'recall_partial'
    | 'too_late'
  /** True from the answer that settled it: the partner has it. */
  isSettled: boolean
  /** True while its line stands in the ship-once index; what is false was given back to stock. */
  isClaimed: boolean
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

/** The wish to have the line of a dispatch back, as its row in `recall_line` holds it. */
export type Wish = {
  state: 'requested' | 'in_progress' | 'unknown_order' | 'recalled' | 'too_late' | 'rejected'
  asked: number
  nextAskAt: number
}

/** True where a wish is not answered yet. */
export const isOpen = (wish: Wish | undefined): boolean =>
  wish?.state === 'requested' || wish?.state === 'in_progress'

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
  readonly settleByHand: (id: string, state: 'accepted' | 'queued' | 'recalled') => boolean
  /** Takes a dispatch back that never left: true where it did. */
  readonly withdrawUnsent: (id: string) => boolean
  /** Moves a dispatch while it is recalled, unless it is being sent. */
  readonly moveRecalled: (id: string, state: Row['state'], code: string) => boolean
  /** Rows that are queued, being sent or unknown: what `selectLaneWork` counts. */
  readonly unsettled: () => number
  /** The newest sequence that the partner has answered for. */
  readonly acceptedSequence: () => number
  /** Rows that are not at rest, by id. */
  readonly live: ReadonlyMap<string, Row>
  readonly rowOf: (id: string) => Row | undefined
  /** Drops a row that is judged. */
  readonly forget: (id: string) => void
}

const ANSWERED = new Set<Row['state']>(['accepted', 'rejected', 'recall_partial', 'too_late'])
const UNSETTLED = new Set<Row['state']>(['queued', 'sending', 'unknown'])
const BY_HAND = new Set<Row['state']>(['unknown', 'needs_operator', 'quarantined'])
const MINUTE_MS = 60_000

/** An empty table of one partner under a clock; `wishes` are those of its lines, by dispatch. */
export function dispatchTable(
  nowMs: () => number,
  wishes: ReadonlyMap<string, Wish> = new Map(),
): DispatchTable {
  const live = new Map<string, Row>()
  const rows = new Map<string, Row>()
  const answered = new Set<number>()
  let newest = 0
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
  const move = (row: Row, state: Row['state']): void => {
    row.state = state
    if (ANSWERED.has(state)) {
      answered.add(row.sequence)
      newest = Math.max(newest, row.sequence)
    } else if (answered.delete(row.sequence) && row.sequence === newest) {
      newest = 0
      for (const one of answered) newest = Math.max(newest, one)
    }
    if (ANSWERED.has(state) || state === 'recalled') live.delete(row.id)
    else live.set(row.id, row)
  }
  const settle = (row: Row, state: Row['state']): void => {
    move(row, state === 'accepted' ? acceptedState(wishes.get(row.id)) : state)
    if (state === 'accepted' || state === 'rejected') row.isSettled = true
  }
  return {
    live,
    acceptedSequence: () => newest,
    rowOf: (id) => rows.get(id),
    forget: (id) => void rows.delete(id),
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
        isSettled: false,
        isClaimed: true,
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
      rows.set(id, row)
      live.set(id, row)
      return row
    },
    claimDue({ concurrency, limit, token, leaseMs }) {
      const sending = [...live.values()].filter((row) => row.state === 'sending').length
      const isFree = (row: Row): boolean => !isStopped(row) && !isOpen(wishes.get(row.id))
      const taken = due('queued', Math.min(limit, concurrency - sending), isFree)
      for (const row of taken) {
        row.state = 'sending'
        row.token = token
        row.leaseUntil = nowMs() + leaseMs
        row.intentAt = nowMs()
        row.firstAttemptAt ??= nowMs()
        row.attempt += 1
        row.absentSince = null
      }
      return taken
    },
    claimUnknown(limit, token) {
      const taken = due('unknown', limit)
      for (const row of taken) {
        row.token = token
        row.nextAttemptAt = nowMs() + MINUTE_MS
      }
      return taken
    },
    stopNear() {
      const near = [...live.values()].filter((row) => row.state === 'queued' && isStopped(row))
      for (const row of near) {
        row.state = 'needs_operator'
        row.lastCode = 'ship_by_near'
        row.nextAttemptAt = nowMs()
      }
      return near
    },
    expireLeases(state) {
      const expired = [...live.values()].filter(
        (row) => row.state === 'sending' && (row.leaseUntil ?? 0) < nowMs(),
      )
      for (const row of expired) {
        row.state = state
        row.lastCode = 'lease_expired'
        row.lastStatus = null
        release(row, nowMs())
      }
      return expired
    },
    complete(written) {
      const row = live.get(written.id)
      if (!row || row.token !== written.token || row.state !== written.before) return false
      row.lastCode = written.code
      if (written.status !== undefined) row.lastStatus = written.status
      release(row, nowMs() + written.delayMs)
      row.absentSince = written.isAbsent ? (row.absentSince ?? nowMs()) : null
      settle(row, written.state)
      return true
    },
    settleByHand(id, state) {
      const row = live.get(id)
      if (!row || !BY_HAND.has(row.state)) return false
      row.lastCode = 'operator'
      release(row, nowMs())
      settle(row, state)
      return true
    },
    withdrawUnsent(id) {
      const row = rows.get(id)
      if (row?.state !== 'queued' || row.attempt > 0 || row.firstAttemptAt !== null) return false
      row.lastCode = 'never_sent'
      move(row, 'recalled')
      return true
    },
    moveRecalled(id, state, code) {
      const row = rows.get(id)
      if (!row || row.state === 'sending' || row.state === state) return false
      row.lastCode = code
      release(row, nowMs())
      move(row, state)
      return true
    },
  }
}

// `ACCEPTED_STATE` of accepted-state.ts, for a dispatch of one line.
function acceptedState(wish: Wish | undefined): Row['state'] {
  if (wish === undefined || wish.state === 'rejected') return 'accepted'
  if (wish.state === 'recalled') return 'recall_partial'
  return wish.state === 'too_late' ? 'too_late' : 'recalling'
}

function release(row: Row, nextAttemptAt: number): void {
  row.token = null
  row.leaseUntil = null
  row.nextAttemptAt = nextAttemptAt
}
