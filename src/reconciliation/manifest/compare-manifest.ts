import type { ManifestEntry } from '#fulfillment/index.ts'

/** A dispatch of ours as the comparison sees it. */
export type OurDispatch = {
  readonly id: string
  readonly key: string
  readonly batch_id: string
  readonly revision: number
  readonly sequence: number
  readonly content_sha256: string
  readonly state: string
  /** True where it was settled before the partner was asked. */
  readonly is_settled_before: boolean
  /** True once a worker has committed the intent to send it. */
  readonly is_claimed: boolean
  readonly orders: number
  readonly shipped: number
}

/**
 * What differs. `lost`: accepted by our books, not in theirs. `phantom`: in theirs, not in ours.
 * `content`: the same key for something else. `recalled` and `refused`: one side sends, the other
 * does not. `shipment`: one side has shipped. The last alone is no reason to send or not to send.
 */
export type Difference = {
  readonly kind: 'lost' | 'phantom' | 'content' | 'recalled' | 'refused' | 'shipment'
  readonly subject: string
  readonly key: string
  readonly sequence: number
  readonly ours: string | null
  readonly theirs: string | null
}

/** What one stretch of two ledgers gave. `pending` is on its way and resolves itself. */
export type Compared = {
  readonly matched: number
  readonly pending: number
  readonly differences: readonly Difference[]
  readonly phantoms: readonly ManifestEntry[]
  /** Entries that our books have and say were never sent: the books are those of an earlier time. */
  readonly unclaimed: readonly ManifestEntry[]
}

/** Keys of theirs that were written down as unknown fulfillments, and whether one of them is still open. */
export type KnownUnknown = ReadonlyMap<string, 'open' | 'settled'>

const PENDING = new Set(['queued', 'sending', 'unknown', 'recalling'])
const HELD_BY_PARTNER = new Set(['accepted', 'recall_partial', 'too_late'])
const LIVE_WITHOUT_ANSWER = new Set(['needs_operator', 'quarantined'])

/**
 * Compares a stretch of our ledger with the same stretch of a partner's manifest. An unknown fulfillment that is
 * written down differs until it is settled, and is no phantom any more. Pure.
 */
export function compareManifest(
  ours: readonly OurDispatch[],
  theirs: readonly ManifestEntry[],
  known: KnownUnknown = new Map(),
): Compared {
  const byKey = new Map(ours.map((one) => [one.key, one]))
  const seen = new Set<string>()
  const differences: Difference[] = []
  const unclaimed: ManifestEntry[] = []
  const phantoms: ManifestEntry[] = []
  let matched = 0
  let pending = 0
  for (const entry of theirs) {
    seen.add(entry.key)
    const own = byKey.get(entry.key)
    if (!own) {
      const written = known.get(entry.key)
      if (written === 'settled') {
        matched += 1
        continue
      }
      if (written === undefined) phantoms.push(entry)
      differences.push(differenceOf('phantom', undefined, entry))
      continue
    }
    if (!own.is_claimed) unclaimed.push(entry)
    const kind = kindOf(own, entry)
    if (kind === 'matched') matched += 1
    else if (kind === 'pending') pending += 1
    else differences.push(differenceOf(kind, own, entry))
  }
  for (const own of ours.filter((one) => !seen.has(one.key))) {
    if (PENDING.has(own.state)) pending += 1
    if (HELD_BY_PARTNER.has(own.state) && own.is_settled_before) {
      differences.push(differenceOf('lost', own, undefined))
    }
  }
  return { matched, pending, differences, phantoms, unclaimed }
}

function kindOf(
  own: OurDispatch,
  entry: ManifestEntry,
): Difference['kind'] | 'matched' | 'pending' {
  const isSame =
    own.content_sha256 === entry.content_sha256 &&
    own.batch_id === entry.batch &&
    own.revision === entry.revision &&
    own.sequence === entry.sequence
  if (!isSame) return 'content'
  if (PENDING.has(own.state)) return 'pending'
  const isRecalledThere = entry.state === 'recalled' || entry.state === 'recall_partial'
  if (own.state === 'recalled') return entry.state === 'recalled' ? 'matched' : 'recalled'
  if (own.state === 'rejected' || LIVE_WITHOUT_ANSWER.has(own.state)) {
    return entry.state === 'recalled' ? 'matched' : 'refused'
  }
  if (isRecalledThere) return entry.state === 'recalled' ? 'recalled' : 'matched'
  if (entry.state === 'shipped') return own.shipped < own.orders ? 'shipment' : 'matched'
  return own.shipped > 0 && !isRecalledThere ? 'shipment' : 'matched'
}

function differenceOf(
  kind: Difference['kind'],
  own: OurDispatch | undefined,
  entry: ManifestEntry | undefined,
): Difference {
  const key = entry?.key ?? own?.key ?? ''
  const name = kind === 'lost' || kind === 'phantom' ? kind : 'differs'
  return {
    kind,
    subject: `${name}:${own?.id ?? key}`,
    key,
    sequence: entry?.sequence ?? own?.sequence ?? 0,
    ...sidesOf(kind, own, entry),
  }
}

/** Either side in words: its state, and for the same key with other content each member that differs. */
function sidesOf(
  kind: Difference['kind'],
  own: OurDispatch | undefined,
  entry: ManifestEntry | undefined,
): Pick<Difference, 'ours' | 'theirs'> {
  if (!own || !entry) return { ours: own?.state ?? null, theirs: entry?.state ?? null }
  if (kind === 'shipment') {
    const ours = `${own.state}, ${own.shipped} of ${own.orders} shipped`
    return { ours, theirs: entry.state }
  }
  if (kind !== 'content') return { ours: own.state, theirs: entry.state }
  const members: readonly (readonly [
    name: string,
    ours: string | number,
    theirs: string | number,
  ])[] = [
    ['content', own.content_sha256.slice(0, 12), entry.content_sha256.slice(0, 12)],
    ['batch', own.batch_id, entry.batch],
    ['revision', own.revision, entry.revision],
    ['sequence', own.sequence, entry.sequence],
  ]
  const other = members.filter(([, ours, theirs]) => ours !== theirs)
  const text = (side: 1 | 2): string => other.map((one) => `${one[0]} ${one[side]}`).join(', ')
  return { ours: `${own.state}: ${text(1)}`, theirs: `${entry.state}: ${text(2)}` }
}
