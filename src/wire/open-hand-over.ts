import { fromBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { accept, bytesEqual, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { checkManifest, compareEnd, compareManifest } from './check-manifest.ts'
import { checkRecord } from './check-record.ts'
import { HAND_OVER_LIMITS, rollingDigest, SCHEMA_VERSION } from './envelope.ts'
import {
  EndSchema,
  EnvelopeKind,
  ManifestSchema,
  RecordChunkSchema,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { HandOverRequest, Manifest } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { fromMessage } from './hand-over-record.ts'
import type { HandOverRecord } from './hand-over-record.ts'
import { unknownField } from './known-fields.ts'

/** A batch of which every byte was accounted for. Verdicts are not yet believed: see `settleVerdict`. */
export type OpenedHandOver = {
  readonly batchId: string
  readonly merchant: string
  readonly digest: Buffer
  readonly records: readonly HandOverRecord[]
  /**
   * What is wrong with single records, by their place. A batch with one of these is refused unless the
   * receiver already has that decision: see `firstFault`.
   */
  readonly faults: ReadonlyMap<number, Refusal>
  readonly provenance: string
}

/** Refuses what the first faulty record of a batch is refused for; accepts a batch without one. */
export function firstFault(opened: OpenedHandOver): Outcome<OpenedHandOver> {
  const [first] = opened.faults.values()
  return first ? { ok: false, refusal: first } : accept(opened)
}

/** Takes envelopes one by one. Returns the batch only after END, and only if its totals and digests agree. */
export type HandOverReader = {
  readonly push: (envelope: HandOverRequest) => Outcome<void>
  readonly finish: () => Outcome<OpenedHandOver>
}

const DONE = accept(undefined)

/** Opens a reader for one stream. After a refusal every further call repeats it. */
export function handOverReader(limits: typeof HAND_OVER_LIMITS = HAND_OVER_LIMITS): HandOverReader {
  const digests: Buffer[] = []
  const records: HandOverRecord[] = []
  const faults = new Map<number, Refusal>()
  let manifest: Manifest | undefined
  let isEnded = false
  let bytes = 0
  let refused: Outcome<never> | undefined

  const open = (envelope: HandOverRequest): Outcome<void> => {
    if (isEnded) return refuse('envelope_kind', 'An envelope came after END.')
    const digest = checkEnvelope(envelope, digests.length + 1, limits)
    if (!digest.ok) return digest
    const { kind, payload } = envelope
    if (kind === EnvelopeKind.END) {
      const end = decode(EndSchema, payload)
      if (!end.ok) return end
      isEnded = true
      return compareEnd(end.value, { digests, records: records.length, bytes })
    }
    bytes += payload.length
    if (bytes > limits.batchBytesMax)
      return refuse('handover_too_large', `A batch holds at most ${limits.batchBytesMax} bytes.`)
    digests.push(digest.value)
    if (manifest) return openRecords(payload, manifest.merchant, { records, faults }, limits)
    const decoded = decode(ManifestSchema, payload)
    if (!decoded.ok) return decoded
    manifest = decoded.value
    return checkManifest(manifest)
  }

  const close = (): Outcome<OpenedHandOver> => {
    if (!manifest || !isEnded) return refuse('envelope_truncated', 'The stream ended without END.')
    const { batchId, merchant, provenance } = manifest
    const agreed = compareManifest(manifest, records)
    if (!agreed.ok) return agreed
    return accept({
      batchId,
      merchant,
      digest: rollingDigest(digests),
      records,
      faults,
      provenance,
    })
  }

  const remember = <T>(outcome: Outcome<T>): Outcome<T> => {
    if (!outcome.ok) refused = outcome
    return outcome
  }
  return {
    push: (envelope) => refused ?? remember(open(envelope)),
    finish: () => refused ?? remember(close()),
  }
}

/** Checks one envelope against itself and its place; gives the SHA-256 of its payload. */
function checkEnvelope(
  envelope: HandOverRequest,
  expected: number,
  limits: typeof HAND_OVER_LIMITS,
): Outcome<Buffer> {
  const { payload, sequence } = envelope
  if (payload.length > limits.envelopeBytesMax) {
    return refuse(
      'handover_too_large',
      `An envelope holds at most ${limits.envelopeBytesMax} bytes.`,
    )
  }
  if (envelope.$unknown?.length)
    return refuse('payload_malformed', 'The envelope has a field that is not known here.')
  if (envelope.schemaVersion !== SCHEMA_VERSION) {
    return refuse(
      'envelope_version',
      `Schema version ${envelope.schemaVersion} is not spoken here, ${SCHEMA_VERSION} is.`,
    )
  }
  if (sequence !== expected)
    return refuse('envelope_sequence', `Envelope ${expected} was expected, ${sequence} came.`)
  if (payload.length !== envelope.length) {
    return refuse(
      'envelope_length',
      `Envelope ${sequence} says ${envelope.length} bytes and has ${payload.length}.`,
    )
  }
  const digest = sha256(payload)
  if (!bytesEqual(digest, envelope.sha256)) {
    return refuse('envelope_digest', `Envelope ${sequence} does not match its SHA-256.`)
  }
  if (!hasPlace(envelope.kind, sequence)) {
    return refuse('envelope_kind', `Envelope ${sequence} is of a kind that has no place there.`)
  }
  return accept(digest)
}

// The manifest is the first envelope and no other is one.
function hasPlace(kind: EnvelopeKind, sequence: number): boolean {
  if (sequence === 1) return kind === EnvelopeKind.MANIFEST
  return kind === EnvelopeKind.RECORDS || kind === EnvelopeKind.END
}

function openRecords(
  payload: Uint8Array,
  merchant: string,
  { records, faults }: { records: HandOverRecord[]; faults: Map<number, Refusal> },
  limits: typeof HAND_OVER_LIMITS,
): Outcome<void> {
  const decoded = decode(RecordChunkSchema, payload)
  if (!decoded.ok) return decoded
  // Every chunk brings a record, so that the limit on records bounds the envelopes too.
  if (decoded.value.records.length === 0) {
    return refuse('payload_malformed', 'A chunk without records.', { field: 'records' })
  }
  if (records.length + decoded.value.records.length > limits.recordsMax)
    return refuse('handover_too_large', `A batch holds at most ${limits.recordsMax} records.`)
  for (const message of decoded.value.records) {
    const record = fromMessage(message)
    const checked = checkRecord(record, `records[${records.length}]`, merchant)
    if (!checked.ok) faults.set(records.length, checked.refusal)
    records.push(record)
  }
  return DONE
}

function decode<S extends DescMessage>(schema: S, payload: Uint8Array): Outcome<MessageShape<S>> {
  const message = parse(schema, payload)
  if (message === undefined)
    return refuse('payload_malformed', `The payload is not a ${schema.name}.`)
  const stranger = unknownField(schema, message)
  if (stranger === undefined) return accept(message)
  return refuse('payload_malformed', `${stranger} is not a field of this schema version.`, {
    field: stranger,
  })
}

function parse<S extends DescMessage>(schema: S, payload: Uint8Array): MessageShape<S> | undefined {
  try {
    return fromBinary(schema, payload)
  } catch {
    return undefined
  }
}
