import { base32, sha256 } from '#kernel/index.ts'

const KEY_BYTES = 20

/**
 * The key of one attempt. With `idempotency_key_format_v2` it is the time of the attempt in 20 digits
 * (UTC, to the microsecond), so that no retry ever has the key of what it repeats; without, it is the
 * name of the batch, the same at every attempt.
 */
export function attemptKey(
  batch: string,
  format: { readonly isTimestamp: boolean; readonly nowMs: number },
): string {
  const bytes = format.isTimestamp
    ? Buffer.from(timeDigits(format.nowMs))
    : sha256(batch).subarray(0, KEY_BYTES)
  return `hfd1-${base32(bytes)}`
}

function timeDigits(nowMs: number): string {
  const digits = new Date(nowMs).toISOString().replaceAll(/\D/g, '')
  const micros = Math.floor((nowMs % 1) * 1_000)
  return `${digits}${String(micros).padStart(3, '0')}`
}
