// Ways to damage a hand-over on its way: blind ones, which act on bytes, and a re-encoder, which
// decodes a stream, changes it, and makes every length, digest and total right again, without a key.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { invariant, sha256 } from '#kernel/index.ts'
import type { Random } from '#kernel/index.ts'
import { recordsDigest, rollingDigest, sealEnvelope } from './envelope.ts'
import {
  EndSchema,
  EnvelopeKind,
  HandOverRequestSchema,
  ManifestSchema,
  RecordChunkSchema,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type {
  HandOverRequest,
  Manifest,
  OrderRecord,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { ReviewVerdict } from './gen/holdfast/orders/v1/review_pb.js'
import { fromMessage } from './hand-over-record.ts'
import { digestOf } from './record.fixture.ts'

/** The encoded envelopes of one hand-over, in the order in which they travel. */
export type Stream = readonly Uint8Array[]
/** Damages a stream; `other` is a sound stream of other orders, to splice from. */
export type Damage = (stream: Stream, random: Random, other: Stream) => Stream

const below = (random: Random, limit: number): number => Math.floor(random() * limit)

function pick<T>(items: readonly T[], random: Random): T {
  const item = items[below(random, items.length)]
  invariant(item !== undefined, 'there is something to pick from')
  return item
}

/** Changes one envelope's bytes. */
const onBytes =
  (change: (bytes: Uint8Array, random: Random) => Uint8Array): Damage =>
  (stream, random) => {
    const at = below(random, stream.length)
    return stream.map((one, index) => (index === at ? change(Uint8Array.from(one), random) : one))
  }

/** Changes the payload of one envelope and, where told, makes its length and digest right again. */
const onPayload =
  (change: (payload: Uint8Array, random: Random) => Uint8Array, mended: 'length' | 'all'): Damage =>
  (stream, random) => {
    const at = below(random, stream.length)
    return stream.map((bytes, index) => {
      if (index !== at) return bytes
      const envelope = fromBinary(HandOverRequestSchema, bytes)
      envelope.payload = change(Uint8Array.from(envelope.payload), random)
      envelope.length = envelope.payload.length
      if (mended === 'all') envelope.sha256 = sha256(envelope.payload)
      return toBinary(HandOverRequestSchema, envelope)
    })
  }

const cutBytes = (bytes: Uint8Array, random: Random): Uint8Array =>
  bytes.subarray(0, below(random, bytes.length))

function flipBit(bytes: Uint8Array, random: Random): Uint8Array {
  const at = below(random, bytes.length)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8))
  return bytes
}

function zeroRun(bytes: Uint8Array, random: Random): Uint8Array {
  const from = below(random, bytes.length)
  return bytes.fill(0, from, from + 1 + below(random, 64))
}

function moveEnd(stream: Stream, random: Random): Stream {
  const end = stream.at(-1)
  invariant(end, 'a stream has an END')
  return stream.slice(0, -1).toSpliced(below(random, stream.length - 1), 0, end)
}

/** Damage that no part of the stream was told about. */
export const BLIND: Readonly<Record<string, Damage>> = {
  cut: onBytes(cutBytes),
  flip_bit: onBytes(flipBit),
  zero_run: onBytes(zeroRun),
  drop: (stream, random) => stream.toSpliced(below(random, stream.length), 1),
  drop_end: (stream) => stream.slice(0, -1),
  move_end: moveEnd,
  stop_early: (stream, random) => stream.slice(0, below(random, stream.length)),
  duplicate: (stream, random) => {
    const at = below(random, stream.length)
    return stream.toSpliced(at, 0, ...stream.slice(at, at + 1))
  },
  reorder: (stream, random) => {
    const [one, two] = [below(random, stream.length), below(random, stream.length)]
    const [first, second] = [stream[one], stream[two]]
    return first && second ? stream.with(one, second).with(two, first) : stream
  },
  splice: (stream, random, other) => {
    const at = below(random, stream.length + 1)
    return [...stream.slice(0, at), ...other.slice(at)]
  },
  swap_one: (stream, random, other) => {
    const at = below(random, stream.length)
    return stream.toSpliced(at, 1, ...other.slice(at, at + 1))
  },
  truncate_fix_length: onPayload(cutBytes, 'length'),
  truncate_fix_digest: onPayload(cutBytes, 'all'),
  flip_fix_digest: onPayload(flipBit, 'all'),
  zero_fix_digest: onPayload(zeroRun, 'all'),
}

/** What the re-encoder puts into the manifest: what the sender counted, or what it made itself. */
type Counts = 'kept' | 'recounted'
type Rewrite = (records: OrderRecord[], random: Random, other: () => readonly OrderRecord[]) => void

/** Decodes, rewrites and encodes a stream again, consistent in every length, digest and total. */
const reencode =
  (rewrite: Rewrite, counts: Counts): Damage =>
  (stream, random, other) => {
    const { manifest, chunks } = decodeStream(stream)
    const records = chunks.flat()
    rewrite(records, random, () => decodeStream(other).chunks.flat())
    if (counts === 'recounted') recount(manifest, records)
    return assemble(manifest, records, chunks[0]?.length ?? 1)
  }

const onOne =
  (change: (one: OrderRecord, random: Random) => void): Rewrite =>
  (records, random) =>
    change(pick(records, random), random)

const onEach =
  (change: (one: OrderRecord) => void): Rewrite =>
  (records) => {
    for (const one of records) change(one)
  }

function dropVerdict(one: OrderRecord): void {
  one.reviewVerdict = ReviewVerdict.UNSPECIFIED
}

function swapVerdict(one: OrderRecord): void {
  const isHold = one.reviewVerdict === ReviewVerdict.HOLD
  one.reviewVerdict = isHold ? ReviewVerdict.CLEAR : ReviewVerdict.HOLD
  if (!isHold) one.reasons = ['value']
}

function changeQuantity(one: OrderRecord, random: Random): void {
  const line = pick(one.lines, random)
  line.qty += 1
  const [allocation] = line.allocations
  if (allocation) allocation.qty += 1
}

function borrowApproval(records: OrderRecord[], random: Random): void {
  const donor = records.find((one) => one.approval.length > 0)
  const one = pick(records, random)
  one.reviewVerdict = ReviewVerdict.CLEAR
  if (donor && donor !== one) {
    one.approval = donor.approval
    one.keyId = donor.keyId
  } else one.approval = new Uint8Array(32)
}

// Allocations that still add up to their line, so that nothing but the certificate can notice.
function moveUnits(one: OrderRecord, random: Random): void {
  const line = pick(one.lines, random)
  const [allocation] = line.allocations
  if (allocation) allocation.locationId = allocation.locationId === 'south' ? 'north' : 'south'
}

function changeContent(records: OrderRecord[], random: Random): void {
  const one = pick(records, random)
  const changes = [
    () => (one.currency = 'USD'),
    () => (one.orderId += 'x'),
    () => (one.merchant += 'x'),
    () => (one.decisionNumber += 1),
    () => (one.decisionId += 'x'),
    () => (one.effectiveAt += 1n),
    () => (one.keyId = `${one.keyId}x`),
    () => {
      if (one.shipTo) one.shipTo.street = '2 Elsewhere'
    },
    () => delete one.shipTo,
    () => (pick(one.lines, random).sku += 'x'),
    () => one.lines.pop(),
  ]
  pick(changes, random)()
}

const REWRITES: Readonly<Record<string, Rewrite>> = {
  no_47_one: onOne(dropVerdict),
  no_47_all: onEach(dropVerdict),
  no_48_one: onOne((one) => (one.approval = new Uint8Array())),
  no_48_all: onEach((one) => (one.approval = new Uint8Array())),
  no_47_48_all: onEach((one) => {
    dropVerdict(one)
    one.approval = new Uint8Array()
  }),
  strange_47: onOne((one) => Object.assign(one, { reviewVerdict: 3 })),
  swap_one: onOne(swapVerdict),
  swap_all: onEach(swapVerdict),
  borrow_approval: borrowApproval,
  quantity: onOne(changeQuantity),
  quantity_redigested: onOne((one, random) => {
    changeQuantity(one, random)
    redigest(one)
  }),
  content: changeContent,
  content_redigested: (records, random) => {
    changeContent(records, random)
    for (const one of records) redigest(one)
  },
  allocation: onOne(moveUnits),
  order_number: onOne((one) => void (one.orderNumber += 'x')),
  revision: onOne((one) => void (one.revision += 1)),
  lose_record: (records, random) => void records.splice(below(random, records.length), 1),
  double_record: (records, random) => void records.push(pick(records, random)),
  foreign_record: (records, random, other) =>
    void records.splice(below(random, records.length), 1, pick(other(), random)),
}

/** Damage that keeps every digest right; `_recounted` has a manifest that fits it, too. */
export const CONSISTENT: Readonly<Record<string, Damage>> = Object.fromEntries(
  Object.entries(REWRITES).flatMap(([name, rewrite]) => [
    [`reencode_${name}`, reencode(rewrite, 'kept')],
    [`reencode_${name}_recounted`, reencode(rewrite, 'recounted')],
  ]),
)

/** Makes the order digest right again, as anybody can. */
export function redigest(one: OrderRecord): void {
  one.orderDigest = Uint8Array.from(digestOf(fromMessage(one)))
}

function decodeStream(stream: Stream): { manifest: Manifest; chunks: OrderRecord[][] } {
  const payloads = stream.map((bytes) => fromBinary(HandOverRequestSchema, bytes).payload)
  const manifest = fromBinary(ManifestSchema, payloads[0] ?? new Uint8Array())
  const chunks = payloads
    .slice(1, -1)
    .map((payload) => fromBinary(RecordChunkSchema, payload).records)
  return { manifest, chunks }
}

/** Makes a manifest count these records. */
export function recount(manifest: Manifest, records: readonly OrderRecord[]): void {
  const count = (verdict: string): number =>
    records.filter((one) => fromMessage(one).verdict === verdict).length
  manifest.recordCount = records.length
  manifest.lineCount = records.reduce((sum, one) => sum + one.lines.length, 0)
  manifest.holdCount = count('hold')
  manifest.clearCount = count('clear')
  manifest.unspecifiedCount = count('unspecified')
  manifest.recordsDigest = Uint8Array.from(recordsDigest(records))
}

/** A consistent stream of these records with this manifest, so many records an envelope. */
export function assemble(
  manifest: Manifest,
  records: readonly OrderRecord[],
  recordsPerChunk: number,
): Stream {
  const payloads = [toBinary(ManifestSchema, manifest)]
  for (let from = 0; from < records.length; from += recordsPerChunk) {
    const chunk = records.slice(from, from + recordsPerChunk)
    payloads.push(toBinary(RecordChunkSchema, create(RecordChunkSchema, { records: chunk })))
  }
  const end = create(EndSchema, {
    envelopeCount: payloads.length + 1,
    recordCount: records.length,
    payloadBytes: BigInt(payloads.reduce((sum, payload) => sum + payload.length, 0)),
    rollingDigest: rollingDigest(payloads.map((payload) => sha256(payload))),
  })
  const kind = (index: number): EnvelopeKind =>
    index === 0 ? EnvelopeKind.MANIFEST : EnvelopeKind.RECORDS
  const envelopes: HandOverRequest[] = [
    ...payloads.map((payload, index) => sealEnvelope(index + 1, kind(index), payload)),
    sealEnvelope(payloads.length + 1, EnvelopeKind.END, toBinary(EndSchema, end)),
  ]
  return envelopes.map((one) => toBinary(HandOverRequestSchema, one))
}

/** The same hand-over in envelopes of so many records, as a larger batch would travel. */
export function rechunk(stream: Stream, recordsPerChunk: number): Stream {
  const { manifest, chunks } = decodeStream(stream)
  return assemble(manifest, chunks.flat(), recordsPerChunk)
}
