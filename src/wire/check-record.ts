import { accept, bytesEqual, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import type { HandOverRecord, RecordLine } from './hand-over-record.ts'
import { isIdentity } from './order-identity.ts'
import { orderDigest } from './order-digest.ts'

// The last millisecond that ECMAScript can name (ECMA-262, time values).
const DATE_MS_MAX = 8_640_000_000_000_000

/**
 * Checks one record against itself: nothing that protobuf would default is missing, allocations add
 * up to their line, and the order digest is the digest of these very bytes. Refuses
 * `payload_malformed` with the path, or `order_digest_mismatch`.
 */
export function checkRecord(record: HandOverRecord, path: string, merchant: string): Outcome<void> {
  const missing = missingField(record)
  if (missing)
    return refuse('payload_malformed', `${path}.${missing} is missing, zero or out of range.`, {
      field: `${path}.${missing}`,
    })
  if (record.merchant !== merchant) {
    return refuse('manifest_mismatch', `${path} belongs to another merchant.`, {
      field: `${path}.merchant`,
    })
  }
  const digest = orderDigest({
    merchant: record.merchant,
    orderId: record.orderId,
    currency: record.currency,
    lines: record.lines.map((line) => ({
      lineId: String(line.line),
      sku: line.sku,
      qty: line.qty,
    })),
    shipTo: record.shipTo,
  })
  if (!bytesEqual(digest, record.orderDigest)) {
    return refuse('order_digest_mismatch', `${path} is not the order that was decided on.`, {
      field: `${path}.order_digest`,
    })
  }
  return checkSums(record, path)
}

/** Checked last: a fault that names `allocations` says that all else in the record is right. */
function checkSums(record: HandOverRecord, path: string): Outcome<void> {
  const wrong = record.lines.findIndex(
    (line) => line.allocations.reduce((sum, one) => sum + one.qty, 0) !== line.qty,
  )
  if (wrong < 0) return accept(undefined)
  const field = `${path}.lines[${wrong}].allocations`
  return refuse('payload_malformed', `${field} do not add up to the units of their line.`, {
    field,
  })
}

/** True if a record is sound except that its allocations do not add up to their lines. */
export function isOnlyMisallocated(fault: Refusal): boolean {
  return fault.code === 'payload_malformed' && fault.field?.endsWith('].allocations') === true
}

function missingField(record: HandOverRecord): string | undefined {
  if (!record.merchant) return 'merchant'
  if (!record.orderId) return 'order_id'
  if (!record.orderNumber) return 'order_number'
  if (!isCount(record.revision)) return 'revision'
  if (!isNamed(record)) return 'identity'
  if (!record.currency) return 'currency'
  if (record.orderDigest.length !== 32) return 'order_digest'
  if (!record.decisionId) return 'decision_id'
  if (!isCount(record.decisionNumber)) return 'decision_number'
  if (!isTime(record.effectiveAtMs)) return 'effective_at'
  if (record.shipByMs !== null && !isTime(record.shipByMs)) return 'ship_by'
  if (!record.decidedBy) return 'decided_by'
  if (!record.keyId) return 'key_id'
  if (record.lines.length === 0) return 'lines'
  if (record.verdict === 'hold' && record.reasons.length === 0) return 'reasons'
  return missingInLines(record)
}

/** An older sender says neither identity nor prices; whoever says one says the other. */
function isNamed({ identity, lines }: HandOverRecord): boolean {
  if (identity !== '') return isIdentity(identity)
  return lines.every((line) => line.unitPriceMinor === undefined)
}

function missingInLines(record: HandOverRecord): string | undefined {
  const seen = new Set<number>()
  for (const [index, line] of record.lines.entries()) {
    const missing = seen.has(line.line) ? 'line' : missingInLine(line, record.identity !== '')
    if (missing) return `lines[${index}].${missing}`
    seen.add(line.line)
  }
  return undefined
}

function missingInLine(line: RecordLine, isPriced: boolean): string | undefined {
  if (!isCount(line.line)) return 'line'
  if (!line.sku) return 'sku'
  if (!isCount(line.qty)) return 'qty'
  const { unitPriceMinor: price } = line
  const isPrice = typeof price === 'number' && Number.isSafeInteger(price) && price >= 0
  if (isPriced !== isPrice) return 'unit_price_minor'
  for (const [index, one] of line.allocations.entries()) {
    if (!one.locationId) return `allocations[${index}].location_id`
    if (!isCount(one.qty)) return `allocations[${index}].qty`
  }
  return undefined
}

function isTime(ms: number): boolean {
  return ms >= 1 && ms <= DATE_MS_MAX
}

// PostgreSQL keeps counts in int4; a uint32 above it would be a fault there and is refused here.
function isCount(value: number): boolean {
  return value >= 1 && value <= 2_147_483_647
}
