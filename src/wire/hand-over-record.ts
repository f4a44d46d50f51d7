import { create } from '@bufbuild/protobuf'
import type { ApprovalFacts, ApprovedAllocation, ApprovedPrice } from './approval.ts'
import { OrderRecordSchema } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { OrderRecord } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { ReviewVerdict } from './gen/holdfast/orders/v1/review_pb.js'

/** Units of a line reserved at one location. */
export type RecordAllocation = { readonly locationId: string; readonly qty: number }
/** A line with where its units lie; the allocations add up to `qty`. */
export type RecordLine = {
  readonly line: number
  readonly sku: string
  readonly qty: number
  readonly allocations: readonly RecordAllocation[]
  /** Minor units; null or absent from a sender of an earlier build. */
  readonly unitPriceMinor?: number | null
}

/** One decision with its order, as both ends of the hand-over see it. */
export type HandOverRecord = {
  readonly merchant: string
  readonly orderId: string
  readonly orderNumber: string
  readonly revision: number
  /** What the shop's repeat of the order bears again, or `none`; empty from a sender of an earlier build. */
  readonly identity: string
  readonly currency: string
  readonly lines: readonly RecordLine[]
  readonly shipTo: Readonly<Record<string, string>>
  readonly orderDigest: Uint8Array
  readonly decisionId: string
  readonly decisionNumber: number
  readonly effectiveAtMs: number
  /** The promise; null where the order has none. */
  readonly shipByMs: number | null
  readonly reasons: readonly string[]
  readonly decidedBy: string
  readonly keyId: string
  readonly verdict: 'hold' | 'clear' | 'unspecified'
  readonly approval: Uint8Array
}

/** Every allocation of some lines with the number of its line, as an approval certifies them. */
export function allocationsOf(lines: readonly RecordLine[]): readonly ApprovedAllocation[] {
  return lines.flatMap(({ line, allocations }) =>
    allocations.map(({ locationId, qty }) => ({ line, locationId, qty })),
  )
}

/** The unit price of every line, as an approval certifies them. */
export function pricesOf(lines: readonly RecordLine[]): readonly ApprovedPrice[] {
  return lines.map(({ line, unitPriceMinor }) => ({ line, unitPriceMinor: unitPriceMinor ?? null }))
}

/** What a certificate of a record covers, with its verdict. */
export function approvalFacts(record: HandOverRecord): ApprovalFacts {
  return {
    merchant: record.merchant,
    orderId: record.orderId,
    orderDigest: record.orderDigest,
    verdict: record.verdict === 'clear' ? 'clear' : 'hold',
    decisionId: record.decisionId,
    decisionNumber: record.decisionNumber,
    effectiveAtMs: record.effectiveAtMs,
    orderNumber: record.orderNumber,
    revision: record.revision,
    allocations: allocationsOf(record.lines),
    shipByMs: record.shipByMs,
    identity: record.identity,
    unitPrices: pricesOf(record.lines),
  }
}

const VERDICTS = {
  hold: ReviewVerdict.HOLD,
  clear: ReviewVerdict.CLEAR,
  unspecified: ReviewVerdict.UNSPECIFIED,
} as const

/** The protobuf form of a record. */
export function toMessage(record: HandOverRecord): OrderRecord {
  const to = record.shipTo
  return create(OrderRecordSchema, {
    merchant: record.merchant,
    orderId: record.orderId,
    orderNumber: record.orderNumber,
    revision: record.revision,
    identity: record.identity,
    currency: record.currency,
    lines: record.lines.map(toLine),
    shipTo: {
      name: to['name'] ?? '',
      street: to['street'] ?? '',
      city: to['city'] ?? '',
      region: to['region'] ?? '',
      postalCode: to['postal_code'] ?? '',
      country: to['country'] ?? '',
      phone: to['phone'] ?? '',
      email: to['email'] ?? '',
    },
    orderDigest: record.orderDigest,
    decisionId: record.decisionId,
    decisionNumber: record.decisionNumber,
    effectiveAt: BigInt(record.effectiveAtMs),
    reasons: [...record.reasons],
    decidedBy: record.decidedBy,
    keyId: record.keyId,
    shipBy: BigInt(record.shipByMs ?? 0),
    reviewVerdict: VERDICTS[record.verdict],
    approval: record.approval,
  })
}

function toLine({ line, sku, qty, allocations, unitPriceMinor }: RecordLine) {
  return {
    line,
    sku,
    qty,
    allocations: allocations.map((one) => ({ locationId: one.locationId, qty: one.qty })),
    ...(unitPriceMinor == null ? {} : { unitPriceMinor: BigInt(unitPriceMinor) }),
  }
}

/** A record from its protobuf form; the caller has checked that nothing required is missing. */
export function fromMessage(message: OrderRecord): HandOverRecord {
  return {
    merchant: message.merchant,
    orderId: message.orderId,
    orderNumber: message.orderNumber,
    revision: message.revision,
    identity: message.identity,
    currency: message.currency,
    lines: message.lines.map((line) => ({
      line: line.line,
      sku: line.sku,
      qty: line.qty,
      allocations: line.allocations.map((one) => ({ locationId: one.locationId, qty: one.qty })),
      ...(line.unitPriceMinor === undefined ? {} : { unitPriceMinor: Number(line.unitPriceMinor) }),
    })),
    shipTo: addressOf(message),
    orderDigest: message.orderDigest,
    decisionId: message.decisionId,
    decisionNumber: message.decisionNumber,
    effectiveAtMs: Number(message.effectiveAt),
    reasons: message.reasons,
    decidedBy: message.decidedBy,
    keyId: message.keyId,
    shipByMs: message.shipBy === 0n ? null : Number(message.shipBy),
    verdict: verdictOf(message.reviewVerdict),
    approval: message.approval,
  }
}

/** An enum number that this build does not know is nobody's verdict: it holds. */
function verdictOf(value: ReviewVerdict): HandOverRecord['verdict'] {
  if (value === ReviewVerdict.HOLD) return 'hold'
  return value === ReviewVerdict.CLEAR ? 'clear' : 'unspecified'
}

function addressOf(message: OrderRecord): Record<string, string> {
  const to = message.shipTo
  const members = {
    name: to?.name,
    street: to?.street,
    city: to?.city,
    region: to?.region,
    postal_code: to?.postalCode,
    country: to?.country,
    phone: to?.phone,
    email: to?.email,
  }
  const address: Record<string, string> = {}
  for (const [key, value] of Object.entries(members)) if (value) address[key] = value
  return address
}
