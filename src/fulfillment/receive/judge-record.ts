import { bytesEqual } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import type { RowOf } from '#platform/index.ts'
import { isOnlyMisallocated, isProven, settleVerdict } from '#wire/index.ts'
import type { HandOverRecord, OpenedHandOver, ReviewKeys, SettledVerdict } from '#wire/index.ts'
import type { selectContents, selectDecisions } from './receive-statements.ts'

/** A decision as it stands here. */
export type StoredDecision = RowOf<typeof selectDecisions.row>
/** The content of an order revision as it stands here. */
export type StoredContent = RowOf<typeof selectContents.row>

/** A record with what this end believes of it; `place` is its index in the batch. */
export type JudgedRecord = {
  readonly place: number
  readonly record: HandOverRecord
  readonly verdict: SettledVerdict
  /** True if its certificate proves verdict and content. */
  readonly isProven: boolean
  readonly fault?: Refusal
}

/** What is to be done about a record: nothing, insert, replace an unproven decision, or refuse. */
export type Standing =
  | { readonly kind: 'known'; readonly verdict: 'hold' | 'clear' }
  | { readonly kind: 'new' }
  | { readonly kind: 'replaces'; readonly old: StoredDecision }
  | { readonly kind: 'conflict' }

/**
 * Settles every record by itself. A CLEAR whose allocations do not add up is never believed: what it
 * would ship is not what was certified.
 */
export function judgeRecords(opened: OpenedHandOver, keys: ReviewKeys): readonly JudgedRecord[] {
  return opened.records.map((record, place) => {
    const fault = opened.faults.get(place)
    if (fault) return { place, record, fault, verdict: heldFor(record), isProven: false }
    const proven = isProven(record, keys)
    const isClear = proven && record.verdict === 'clear'
    const verdict = isClear ? ({ kind: 'clear' } as const) : settleVerdict(record, keys)
    return { place, record, verdict, isProven: proven }
  })
}

function heldFor(record: HandOverRecord): SettledVerdict {
  const [first = 'approval_unproven', ...rest] = record.verdict === 'hold' ? record.reasons : []
  return { kind: 'hold', reasons: [first, ...rest] }
}

/**
 * Compares a record with the decision that stands here under its number, and with nothing else. Known is
 * the same decision with the same certificate, whatever else the record says: nothing comes of it.
 */
export function standingOf(one: JudgedRecord, stored: StoredDecision | undefined): Standing {
  if (!stored) return { kind: 'new' }
  const { record } = one
  const isSameId = stored.id === record.decisionId
  if (stored.approval !== null) {
    const isSame =
      isSameId &&
      stored.verdict === record.verdict &&
      stored.key_id === record.keyId &&
      bytesEqual(stored.approval, record.approval)
    return isSame ? known(stored) : { kind: 'conflict' }
  }
  if (one.isProven && !isSameHold(one, stored)) return { kind: 'replaces', old: stored }
  return isSameId ? known(stored) : { kind: 'conflict' }
}

/** A HOLD that an older build kept without its certificate is the same HOLD, and stays as it is. */
function isSameHold({ record }: JudgedRecord, stored: StoredDecision): boolean {
  return (
    stored.id === record.decisionId &&
    record.verdict === 'hold' &&
    stored.revision === record.revision &&
    bytesEqual(stored.order_digest, record.orderDigest) &&
    stored.reasons.join() === record.reasons.join()
  )
}

const known = (stored: StoredDecision): Standing => ({
  kind: 'known',
  verdict: stored.verdict === 'clear' ? 'clear' : 'hold',
})

/** True if a record that is not known may be taken in spite of its fault: its content stands here already. */
export function isTakenAnyway(fault: Refusal, content: StoredContent | undefined): boolean {
  return content !== undefined && isOnlyMisallocated(fault)
}

/** True if a record is about the order that stands here: the same digest, promise and identity. */
export function isSameOrder(record: HandOverRecord, content: StoredContent): boolean {
  return (
    bytesEqual(content.order_digest, record.orderDigest) &&
    (content.ship_by?.getTime() ?? null) === record.shipByMs &&
    (content.identity ?? '') === record.identity
  )
}

/** True if content is, to the last unit and place, what a certificate of this record covers. */
export function isSameContent(record: HandOverRecord, content: StoredContent): boolean {
  return (
    isSameOrder(record, content) &&
    content.order_number === record.orderNumber &&
    placesOf(content.lines) === placesOf(record.lines)
  )
}

function placesOf(lines: HandOverRecord['lines']): string {
  return lines
    .flatMap(({ line, sku, allocations, unitPriceMinor: price = null }) =>
      allocations.map(({ locationId, qty }) => JSON.stringify([line, sku, locationId, qty, price])),
    )
    .toSorted()
    .join()
}
