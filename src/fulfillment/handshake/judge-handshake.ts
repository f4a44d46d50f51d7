import { idempotencyKey } from '../idempotency-key.ts'
import type { ManifestEntry } from '../reconcile/ask-manifest.ts'

/** What a partner answered. `seen` is its `Holdfast-Sequence-Seen`, where it sends one. */
export type HandshakeAnswer =
  | {
      readonly kind: 'lists'
      readonly entries: readonly ManifestEntry[]
      readonly seen?: number
      /** True if the list goes on beyond what was read. */
      readonly isCut?: boolean
    }
  | { readonly kind: 'no_lists'; readonly seen?: number }
  | { readonly kind: 'no_answer'; readonly code: string }

/** Our books, read after the answer: others seal meanwhile. */
export type HandshakeBooks = {
  readonly nextSequence: number
  /** The last number of a past that a person has called another installation's. */
  readonly pastUpto: number
  readonly hasDispatches: boolean
  /** Of the keys of the entries, those that we do not have or say were never claimed. */
  readonly unknownKeys: ReadonlySet<string>
}

/**
 * What a handshake proves. `older`: the partner holds what our books have lost, so that this database is a copy
 * of an earlier time. `ahead`: a header alone says so. `foreign_past`: this database never opened the lane, and
 * the partner has a past. `unsaid`: the partner has neither lists nor the header.
 */
export type HandshakeVerdict =
  | { readonly kind: 'open' }
  | { readonly kind: 'older'; readonly entries: readonly ManifestEntry[] }
  | { readonly kind: 'ahead'; readonly seen: number }
  | { readonly kind: 'foreign_past'; readonly upto: number }
  | { readonly kind: 'no_answer'; readonly code: string }
  | { readonly kind: 'unsaid' }

/** Whose lane it is: an entry counts only under the key of this merchant, partner, batch and revision. */
export type LaneOwner = { readonly merchant: string; readonly partner: string }

/** Judges an answer against our books. Pure. */
export function judgeHandshake(
  owner: LaneOwner,
  answer: HandshakeAnswer,
  books: HandshakeBooks,
): HandshakeVerdict {
  if (answer.kind === 'no_answer') return answer
  const entries = answer.kind === 'lists' ? evidenceIn(owner, answer.entries, books) : []
  const last = books.nextSequence - 1
  const seen = answer.seen ?? 0
  const isAhead = seen > last
  if (entries.length > 0 || isAhead) {
    const upto = Math.max(seen, ...entries.map((one) => one.sequence))
    if (!books.hasDispatches && last === 0) return { kind: 'foreign_past', upto }
    return entries.length > 0 ? { kind: 'older', entries } : { kind: 'ahead', seen }
  }
  if (answer.kind === 'lists' && answer.isCut === true) {
    return { kind: 'no_answer', code: 'the list is longer than one handshake reads' }
  }
  return answer.kind === 'lists' || answer.seen !== undefined
    ? { kind: 'open' }
    : { kind: 'unsaid' }
}

/** The entries that prove our books older: under keys of ours, of no foreign past, and not in our books. */
export function evidenceIn(
  owner: LaneOwner,
  entries: readonly ManifestEntry[],
  books: Pick<HandshakeBooks, 'pastUpto' | 'unknownKeys'>,
): readonly ManifestEntry[] {
  return entries.filter(
    (one) =>
      one.sequence > books.pastUpto && books.unknownKeys.has(one.key) && isOurKey(owner, one),
  )
}

/** True where a key is the hash of our merchant, this partner and the batch and revision beside it. */
export function isOurKey(
  { merchant, partner }: LaneOwner,
  { key, batch, revision }: Pick<ManifestEntry, 'key' | 'batch' | 'revision'>,
): boolean {
  return key === idempotencyKey({ merchant, partner, op: 'dispatch.create', batch, revision })
}
