export { accept, invariant, orThrow, refuse, RefusedError } from './outcome.ts'
export type { Outcome, Refusal } from './outcome.ts'
export { REFUSALS } from './refusal.ts'
export type { RefusalCode } from './refusal.ts'
export {
  base32,
  bytesEqual,
  deriveKey,
  hmacSha256,
  lengthPrefixed,
  sha256,
  sha256Hex,
} from './digest.ts'
export { canonicalJson } from './canonical-json.ts'
export type { CanonicalValue } from './canonical-json.ts'
export { newId, sortableDigits } from './ids.ts'
export type { IdPrefix } from './ids.ts'
export { systemClock } from './clock.ts'
export type { Clock } from './clock.ts'
export { seededRandom } from './seeded-random.ts'
export type { Random } from './seeded-random.ts'
export { batchLane } from './batch-lane.ts'
export type { BatchLane } from './batch-lane.ts'
