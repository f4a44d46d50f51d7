import { fromBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { accept, bytesEqual, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { checkRecord } from './check-record.ts'
import { HAND_OVER_LIMITS, recordsDigest, rollingDigest, SCHEMA_VERSION } from './envelope.ts'
import {
  EndSchema,
  EnvelopeKind,
  ManifestSchema,
  RecordChunkSchema,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { End, HandOverRequest, Manifest } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { fromMessage } from './hand-over-record.ts'
import type { HandOverRecord } from './hand-over-record.ts'
import { unknownField } from './known-fields.ts'

/** A batch of which every byte was accounted for. Verdicts are not yet believed: see `settleVerdict`. */
export type OpenedHandOver = {
  readonly batchId: string
  readonly merchant: string
  readonly digest: Buffer
  readonly records: readonly HandOverRecord[]
  readonly provenance: string
}

/** Takes envelopes one by one; gives the batch only after END, and only where all of it agrees. */
export type HandOverReader = {
  readonly push: (envelope: HandOverRequest) => Outcome<void>
  readonly finish: () => Outcome<OpenedHandOver>
}

const DONE = accept(undefined)

/** Opens a reader for one stream. After a refusal every further call repeats it. */
export function handOverReader(limits: typeof HAND_OVER_LIMITS = HAND_OVER_LIMITS): HandOverReader {
  const digests: Buffer[] = []
  const records: HandOverRecord[] = []
  let manifest: Manifest | undefined
  let end: End | undefined
  let bytes = 0
  let refused: Outcome<never> | undefined

  const open = (envelope: HandOverRequest): Outcome<void> => {
    const sound = checkEnvelope(envelope, digests.length + 1 + (end ? 1 : 0), limits)
    if (!sound.ok) return sound
    if (end) return refuse('envelope_kind', 'A record came after END.')
    if (envelope.kind === EnvelopeKind.END) {
      const decoded = decode(EndSchema, envelope.payload)
      if (decoded.ok) end = decoded.value
      return decoded.ok
        ? checkEnd(decoded.value, { digests, records: records.length, bytes })
        : decoded
    }
    bytes += envelope.payload.length
    if (bytes > limits.batchBytesMax)
      return refuse('handover_too_large', `A batch holds at most ${limits.batchBytesMax} bytes.`)
    digests.push(sha256(envelope.payload))
    if (envelope.kind === EnvelopeKind.MANIFEST) {
      if (manifest) return refuse('envelope_kind', 'A second manifest.')
      const decoded = decode(ManifestSchema, envelope.payload)
      if (!decoded.ok) return decoded
      manifest = decoded.value
      return manifest.batchId && manifest.merchant
        ? DONE
        : refuse('payload_malformed', 'The manifest names no batch or merchant.')
    }
    return openRecords(envelope, manifest, records, limits)
  }

  return {
    push(envelope) {
      if (refused) return refused
      const outcome = open(envelope)
      if (!outcome.ok) refused = outcome
      return outcome
    },
    finish() {
      if (refused) return refused
      if (!manifest || !end) return refuse('envelope_truncated', 'The stream ended without END.')
      const agreed = checkManifest(manifest, records)
      if (!agreed.ok) return agreed
      return accept({
        batchId: manifest.batchId,
        merchant: manifest.merchant,
        digest: rollingDigest(digests),
        records,
        provenance: manifest.provenance,
      })
    },
  }
}

function checkEnvelope(
  envelope: HandOverRequest,
  expected: number,
  limits: typeof HAND_OVER_LIMITS,
): Outcome<void> {
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
  if (!bytesEqual(sha256(payload), envelope.sha256)) {
    return refuse('envelope_digest', `Envelope ${sequence} does not match its SHA-256.`)
  }
  const isKnown =
    envelope.kind === EnvelopeKind.MANIFEST ||
    envelope.kind === EnvelopeKind.RECORDS ||
    envelope.kind === EnvelopeKind.END
  if (!isKnown || (envelope.kind === EnvelopeKind.MANIFEST) !== (sequence === 1)) {
    return refuse('envelope_kind', `Envelope ${sequence} is of a kind that has no place there.`)
  }
  return DONE
}

function openRecords(
  envelope: HandOverRequest,
  manifest: Manifest | undefined,
  records: HandOverRecord[],
  limits: typeof HAND_OVER_LIMITS,
): Outcome<void> {
  const decoded = decode(RecordChunkSchema, envelope.payload)
  if (!decoded.ok) return decoded
  for (const message of decoded.value.records) {
    const path = `records[${records.length}]`
    const record = fromMessage(message)
    const checked = checkRecord(record, path, manifest?.merchant ?? '')
    if (!checked.ok) return checked
    records.push(record)
    if (records.length > limits.recordsMax)
      return refuse('handover_too_large', `A batch holds at most ${limits.recordsMax} records.`)
  }
  return DONE
}

function checkManifest(manifest: Manifest, records: readonly HandOverRecord[]): Outcome<void> {
  const names = new Set(records.map((one) => `${one.orderId}\n${one.decisionNumber}`))
  const lines = records.reduce((sum, one) => sum + one.lines.length, 0)
  const isSame =
    names.size === records.length &&
    manifest.recordCount === records.length &&
    manifest.lineCount === lines &&
    bytesEqual(recordsDigest(records), manifest.recordsDigest)
  if (!isSame)
    return refuse('manifest_mismatch', 'The records are not those that the manifest lists.')
  const count = (verdict: HandOverRecord['verdict']): number =>
    records.filter((one) => one.verdict === verdict).length
  const areVerdictsSame =
    manifest.holdCount === count('hold') &&
    manifest.clearCount === count('clear') &&
    manifest.unspecifiedCount === count('unspecified')
  if (areVerdictsSame) return DONE
  return refuse('verdict_count_mismatch', 'The verdicts are not those that the manifest counts.')
}

function checkEnd(
  end: End,
  seen: { digests: readonly Buffer[]; records: number; bytes: number },
): Outcome<void> {
  const isSame =
    end.envelopeCount === seen.digests.length + 1 &&
    end.recordCount === seen.records &&
    end.payloadBytes === BigInt(seen.bytes) &&
    bytesEqual(rollingDigest(seen.digests), end.rollingDigest)
  return isSame ? DONE : refuse('end_mismatch', 'The totals of END are not those of what arrived.')
}

function decode<S extends DescMessage>(schema: S, payload: Uint8Array): Outcome<MessageShape<S>> {
  try {
    const message = fromBinary(schema, payload)
    const stranger = unknownField(schema, message)
    if (stranger === undefined) return accept(message)
    return refuse('payload_malformed', `${stranger} is not a field of this schema version.`, {
      field: stranger,
    })
  } catch {
    return refuse('payload_malformed', `The payload is not a ${schema.name}.`)
  }
}
