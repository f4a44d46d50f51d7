import { accept, bytesEqual, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { HandOverRecord } from './hand-over-record.ts'
import { orderDigest } from './order-digest.ts'

/**
 * Checks one record against itself: nothing that protobuf would default is missing, allocations add
 * up to their line, and the order digest is the digest of these very bytes. Refuses
 * `payload_malformed` with the path, or `order_digest_mismatch`.
 */
export function checkRecord(record: HandOverRecord, path: string, merchant: string): Outcome<void> {
  const missing = missingField(record)
  if (missing)
    return refuse('payload_malformed', `${path}.${missing} is missing or zero.`, {
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
  if (bytesEqual(digest, record.orderDigest)) return accept(undefined)
  return refuse('order_digest_mismatch', `${path} is not the order that was decided on.`, {
    field: `${path}.order_digest`,
  })
}

function missingField(record: HandOverRecord): string | undefined {
  if (!record.merchant) return 'merchant'
  if (!record.orderId) return 'order_id'
  if (!record.orderNumber) return 'order_number'
  if (record.revision < 1) return 'revision'
  if (!record.currency) return 'currency'
  if (record.orderDigest.length !== 32) return 'order_digest'
  if (!record.decisionId) return 'decision_id'
  if (record.decisionNumber < 1) return 'decision_number'
  if (!Number.isSafeInteger(record.effectiveAtMs) || record.effectiveAtMs <= 0)
    return 'effective_at'
  if (!record.decidedBy) return 'decided_by'
  if (!record.keyId) return 'key_id'
  if (record.lines.length === 0) return 'lines'
  if (record.verdict === 'hold' && record.reasons.length === 0) return 'reasons'
  return missingInLines(record)
}

function missingInLines(record: HandOverRecord): string | undefined {
  const seen = new Set<number>()
  for (const [index, line] of record.lines.entries()) {
    const path = `lines[${index}]`
    if (line.line < 1 || seen.has(line.line)) return `${path}.line`
    seen.add(line.line)
    if (!line.sku) return `${path}.sku`
    if (line.qty < 1) return `${path}.qty`
    if (line.allocations.some((one) => !one.locationId || one.qty < 1)) return `${path}.allocations`
    const allocated = line.allocations.reduce((sum, one) => sum + one.qty, 0)
    if (allocated !== line.qty) return `${path}.allocations`
  }
  return undefined
}
