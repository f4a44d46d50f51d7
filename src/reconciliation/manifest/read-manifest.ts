import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { askManifest } from '#fulfillment/index.ts'
import type { AskDeps, ManifestEntry } from '#fulfillment/index.ts'
import type { Partner } from '#partners/index.ts'
import { read } from '#platform/index.ts'
import { compareManifest } from './compare-manifest.ts'
import type { Difference, KnownUnknown, OurDispatch } from './compare-manifest.ts'
import { selectKnownUnknown, selectOurs } from './manifest-statements.ts'

/** What the whole comparison saw. At most 1,000 differences and phantoms are kept; all are counted. */
export type ManifestReading = {
  ours: number
  theirs: number
  matched: number
  pending: number
  readonly counts: Record<Difference['kind'], number>
  readonly differences: Difference[]
  readonly phantoms: ManifestEntry[]
  /** Entries that our books say were never sent; at most 1,000. */
  readonly unclaimed: ManifestEntry[]
  /** Phantoms in all, kept or not. */
  phantomsFound: number
  /** Keys of theirs that wait with us: they are looked up, not sent. */
  readonly waitingKeys: string[]
  highest: number
  /** The lowest sequence at which anything differs; infinite where nothing does. */
  firstDifferent: number
}

const KEPT_MAX = 1_000
// A million dispatches at a hundred a page.
const PAGES_MAX = 10_000
const OURS_PAGE = 5_000

/** Reads a manifest page by page beside our own rows. Refused as `askManifest` refuses. */
export async function readManifest(
  deps: AskDeps,
  partner: Partner,
  from: { readonly after: number; readonly begun: Date; readonly pastUpto: number },
): Promise<Outcome<ManifestReading>> {
  const reading = emptyReading()
  let after = from.after
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const page = await askManifest(deps, partner, after)
    if (!page.ok) return page
    const { entries, next } = page.value
    // Ours are read after theirs: what was accepted meanwhile is in both, or younger than the question.
    const ours = await readOurs(deps, partner, { ...from, after, upto: next ?? SEQUENCE_MAX })
    reading.highest = Math.max(reading.highest, entries.at(-1)?.sequence ?? 0)
    // A past that a person has called another installation's is none of ours.
    const theirs = entries.filter((one) => one.sequence > from.pastUpto)
    addStretch(reading, ours, theirs, await readKnown(deps, partner, theirs))
    if (next === null) return accept(reading)
    after = next
  }
  return refuse('manifest_unavailable', `The manifest of ${partner.id} does not end.`)
}

const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER

async function readKnown(
  { context: { database, merchant } }: AskDeps,
  partner: Partner,
  entries: readonly ManifestEntry[],
): Promise<KnownUnknown> {
  const keys = entries.map((one) => one.key)
  const rows = await read(database, selectKnownUnknown, { merchant, partner: partner.id, keys })
  return new Map(rows.map((row) => [row.key, row.is_open ? 'open' : 'settled']))
}

async function readOurs(
  { context: { database, merchant } }: AskDeps,
  partner: Partner,
  stretch: { readonly after: number; readonly upto: number; readonly begun: Date },
): Promise<readonly OurDispatch[]> {
  const all: OurDispatch[] = []
  let { after } = stretch
  for (;;) {
    const rows = await read(database, selectOurs, {
      merchant,
      partner: partner.id,
      after,
      upto: stretch.upto,
      begun: stretch.begun,
      limit: OURS_PAGE,
    })
    all.push(...rows)
    if (rows.length < OURS_PAGE) return all
    after = rows.at(-1)?.sequence ?? stretch.upto
  }
}

function addStretch(
  reading: ManifestReading,
  ours: readonly OurDispatch[],
  theirs: readonly ManifestEntry[],
  known: KnownUnknown,
): void {
  const compared = compareManifest(ours, theirs, known)
  reading.ours += ours.length
  reading.theirs += theirs.length
  reading.matched += compared.matched
  reading.pending += compared.pending
  for (const one of compared.differences) {
    reading.counts[one.kind] += 1
    reading.firstDifferent = Math.min(reading.firstDifferent, one.sequence)
    if (reading.differences.length < KEPT_MAX) reading.differences.push(one)
  }
  reading.phantomsFound += compared.phantoms.length
  reading.unclaimed.push(...compared.unclaimed.slice(0, KEPT_MAX - reading.unclaimed.length))
  reading.phantoms.push(...compared.phantoms.slice(0, KEPT_MAX - reading.phantoms.length))
  const waiting = new Set(ours.flatMap((one) => (one.state === 'queued' ? one.key : [])))
  reading.waitingKeys.push(...theirs.flatMap((one) => (waiting.has(one.key) ? one.key : [])))
}

function emptyReading(): ManifestReading {
  return {
    ours: 0,
    theirs: 0,
    matched: 0,
    pending: 0,
    counts: { lost: 0, phantom: 0, content: 0, recalled: 0, refused: 0, shipment: 0 },
    differences: [],
    phantoms: [],
    unclaimed: [],
    phantomsFound: 0,
    waitingKeys: [],
    highest: 0,
    firstDifferent: Number.POSITIVE_INFINITY,
  }
}
