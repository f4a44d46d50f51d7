import { accept, bytesEqual, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { recordsDigest, rollingDigest } from './envelope.ts'
import type { End, Manifest } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { HandOverRecord } from './hand-over-record.ts'

const DONE = accept(undefined)

/** Checks a manifest by itself: `payload_malformed` with the path of what is missing or zero. */
export function checkManifest(manifest: Manifest): Outcome<void> {
  const missing = missingField(manifest)
  if (missing === undefined) return DONE
  return refuse('payload_malformed', `manifest.${missing} is missing or zero.`, {
    field: `manifest.${missing}`,
  })
}

/**
 * Compares a manifest with what is counted here. `manifest_mismatch`: other records, or one twice.
 * `verdict_count_mismatch`: the same records with other verdicts. The field is that of the manifest.
 */
export function compareManifest(
  manifest: Manifest,
  records: readonly HandOverRecord[],
): Outcome<void> {
  const wrong = wrongRecords(manifest, records)
  if (wrong) {
    return refuse('manifest_mismatch', 'The records are not those that the manifest lists.', {
      field: `manifest.${wrong}`,
    })
  }
  const miscounted = wrongVerdicts(manifest, records)
  if (miscounted === undefined) return DONE
  return refuse('verdict_count_mismatch', 'The verdicts are not those that the manifest counts.', {
    field: `manifest.${miscounted}`,
  })
}

/** Compares END with everything that came before it; refuses `end_mismatch` with the field of END. */
export function compareEnd(
  end: End,
  seen: { digests: readonly Buffer[]; records: number; bytes: number },
): Outcome<void> {
  const wrong = wrongEnd(end, seen)
  if (wrong === undefined) return DONE
  return refuse('end_mismatch', 'The totals of END are not those of what arrived.', {
    field: `end.${wrong}`,
  })
}

function missingField(manifest: Manifest): string | undefined {
  if (!manifest.batchId) return 'batch_id'
  if (!manifest.merchant) return 'merchant'
  if (manifest.recordCount < 1) return 'record_count'
  if (manifest.lineCount < 1) return 'line_count'
  if (manifest.recordsDigest.length !== 32) return 'records_digest'
  if (!manifest.provenance) return 'provenance'
  return undefined
}

function wrongRecords(manifest: Manifest, records: readonly HandOverRecord[]): string | undefined {
  const names = new Set(records.map((one) => `${one.orderId}\n${one.decisionNumber}`))
  const lines = records.reduce((sum, one) => sum + one.lines.length, 0)
  if (names.size !== records.length || manifest.recordCount !== records.length)
    return 'record_count'
  if (manifest.lineCount !== lines) return 'line_count'
  return bytesEqual(recordsDigest(records), manifest.recordsDigest) ? undefined : 'records_digest'
}

function wrongVerdicts(manifest: Manifest, records: readonly HandOverRecord[]): string | undefined {
  const count = (verdict: HandOverRecord['verdict']): number =>
    records.filter((one) => one.verdict === verdict).length
  if (manifest.holdCount !== count('hold')) return 'hold_count'
  if (manifest.clearCount !== count('clear')) return 'clear_count'
  return manifest.unspecifiedCount === count('unspecified') ? undefined : 'unspecified_count'
}

function wrongEnd(
  end: End,
  seen: { digests: readonly Buffer[]; records: number; bytes: number },
): string | undefined {
  if (end.envelopeCount !== seen.digests.length + 1) return 'envelope_count'
  if (end.recordCount !== seen.records) return 'record_count'
  if (end.payloadBytes !== BigInt(seen.bytes)) return 'payload_bytes'
  return bytesEqual(rollingDigest(seen.digests), end.rollingDigest) ? undefined : 'rolling_digest'
}
