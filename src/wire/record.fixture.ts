// Records as order processing would seal them, and streams as the wire carries them.
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { WireType } from '@bufbuild/protobuf/wire'
import { invariant, orThrow } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { reviewKeys, signApproval } from './approval.ts'
import { HandOverRequestSchema } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { HandOverRequest } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { approvalFacts } from './hand-over-record.ts'
import type { HandOverRecord, RecordLine } from './hand-over-record.ts'
import { firstFault, handOverReader } from './open-hand-over.ts'
import type { OpenedHandOver } from './open-hand-over.ts'
import { orderDigest } from './order-digest.ts'
import { sealHandOver } from './seal-hand-over.ts'
import type { SealedHandOver } from './seal-hand-over.ts'

export const KEYS = reviewKeys(Buffer.alloc(32, 7))

/** The digest of a record's own content. */
export function digestOf(one: Omit<HandOverRecord, 'orderDigest' | 'approval'>): Buffer {
  return orderDigest({
    ...one,
    lines: one.lines.map(({ line, sku, qty }) => ({ lineId: String(line), sku, qty })),
  })
}

/** What says its identity says its prices; last, as the reader gives them. */
function priced(line: RecordLine, identity: string): RecordLine {
  if (identity === '' || line.unitPriceMinor !== undefined) return line
  return { ...line, unitPriceMinor: 100 * line.line }
}

/** One record with a right digest and, for a CLEAR, a right certificate. */
export function record(number: number, over: Partial<HandOverRecord> = {}): HandOverRecord {
  const given = {
    merchant: 'main',
    orderId: `ord_${String(number).padStart(6, '0')}`,
    orderNumber: `HF-${number}`,
    revision: 1,
    identity: `${String(number).padStart(25, '0')}v`,
    currency: 'GBP',
    lines: [
      { line: 1, sku: 'ELEC-TV-55-SAM', qty: 2, allocations: [{ locationId: 'north', qty: 2 }] },
      {
        line: 2,
        sku: 'SKU-Ü2',
        qty: 3,
        allocations: [
          { locationId: 'north', qty: 1 },
          { locationId: 'south', qty: 2 },
        ],
      },
    ],
    shipTo: { name: 'Ada Löwe', street: '1 High Street', postal_code: 'N1 1AA', country: 'GB' },
    decisionId: `rvd_${number}`,
    decisionNumber: 1,
    effectiveAtMs: 1_770_471_840_000 + number,
    shipByMs: 1_770_767_999_000 as number | null,
    decidedBy: 'rules',
    keyId: KEYS.signing.id,
    verdict: 'clear' as HandOverRecord['verdict'],
    ...over,
  }
  const base = { ...given, lines: given.lines.map((line) => priced(line, given.identity)) }
  const reasons = over.reasons ?? (base.verdict === 'hold' ? ['value', 'country'] : [])
  const digest = over.orderDigest ?? digestOf({ ...base, reasons })
  const unsigned = { ...base, reasons, orderDigest: digest, approval: new Uint8Array() }
  const facts = approvalFacts(unsigned)
  const isClear = base.verdict === 'clear'
  const approval = isClear ? new Uint8Array(signApproval(KEYS.signing, facts)) : new Uint8Array()
  return { ...base, reasons, orderDigest: digest, approval: over.approval ?? approval }
}

/** A batch of the merchant `main`. */
export function seal(records: readonly HandOverRecord[], batchId = 'hov_1'): SealedHandOver {
  return orThrow(sealHandOver({ batchId, merchant: 'main', provenance: 'prv_1', records }))
}

/** The bytes of each envelope. */
export function encode(envelopes: readonly HandOverRequest[]): Uint8Array[] {
  return envelopes.map((one) => toBinary(HandOverRequestSchema, one))
}

/** Opens a stream as a receiver does that knows none of its decisions. */
export function open(
  stream: readonly Uint8Array[],
  limits?: Parameters<typeof handOverReader>[0],
): Outcome<OpenedHandOver> {
  const reader = handOverReader(limits)
  for (const bytes of stream) {
    const pushed = reader.push(fromBinary(HandOverRequestSchema, bytes))
    if (!pushed.ok) return pushed
  }
  const opened = reader.finish()
  return opened.ok ? firstFault(opened.value) : opened
}

/** The refusal of an outcome; throws where it was accepted. */
export function refusalOf(outcome: Outcome<unknown>) {
  invariant(!outcome.ok, 'the outcome is a refusal')
  return outcome.refusal
}

/** Every field of a record, with bytes as hex, so that records compare by value. */
export function plain(one: HandOverRecord): object {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  return { ...one, orderDigest: hex(one.orderDigest), approval: hex(one.approval) }
}

/** A field that no schema of ours has, as a decoder keeps it. */
export const STRANGER = { no: 99, wireType: WireType.Varint, data: Uint8Array.of(1) }
