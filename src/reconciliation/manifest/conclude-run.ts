import { newId } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import { openCases, resolveCasesAbout } from '#cases/index.ts'
import {
  recordAcceptances,
  releaseFrozen,
  skipLostSequences,
  tellAcceptances,
} from '#fulfillment/index.ts'
import { pausePartner } from '#partners/index.ts'
import type { Partner } from '#partners/index.ts'
import { appendEvents, change, many, read, withTransaction } from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import type { Adopted } from './adopt-phantoms.ts'
import { casesOf, regressionCase, regressionSubject } from './difference-cases.ts'
import type { Difference } from './compare-manifest.ts'
import {
  insertRun,
  saveState,
  selectExplained,
  selectFirstOpen,
  selectOpenSubjects,
} from './manifest-statements.ts'
import type { selectBegin } from './manifest-statements.ts'
import type { ManifestReading } from './read-manifest.ts'
import type { ReconcileDeps, ShipmentRun, ShipmentWish } from './reconcile-shipments.ts'

/** What a comparison began with. */
export type RunFrame = {
  readonly wish: ShipmentWish
  readonly partner: Partner
  readonly begin: RowOf<typeof selectBegin.row>
  readonly after: number
  readonly isWhole: boolean
}

type Judged = {
  readonly differences: readonly Difference[]
  /** Those that no person has explained. */
  readonly open: readonly Difference[]
  readonly isRegressed: boolean
  readonly isGreen: boolean
}

const ACTOR = 'reconciliation'

/** Judges what was read, stops or opens the lane, opens cases, and writes the comparison down. */
export async function concludeRun(
  deps: ReconcileDeps,
  frame: RunFrame,
  reading: ManifestReading,
  adoption: Adopted,
): Promise<ShipmentRun> {
  const { context } = deps
  const { partner } = frame
  const judged = await judge(context, frame, reading, adoption)
  if (judged.isRegressed) await stopLane(context, partner, frame, reading)
  const { run, twice } = await withTransaction(context.database, async (tx) => {
    const { isRegressed } = judged
    const released = await openLane(tx, context.merchant, frame, reading, { adoption, isRegressed })
    await tellCases(tx, context.merchant, { frame, reading, judged, adoption })
    const accepted = await recordAcceptances(tx, context.merchant, adoption.told)
    await appendEvents(tx, context.merchant, accepted.events)
    await save(tx, context.merchant, frame, reading, judged)
    const result = judged.isRegressed ? 'regressed' : judged.isGreen ? 'green' : 'red'
    const counts = { ...reading.counts, phantom: reading.counts.phantom - adoption.adopted.size }
    const adopted = adoption.adopted.size
    const written = await write(tx, context, frame, {
      ...reading,
      ...judged,
      counts,
      adopted,
      released,
      result,
      code: null,
    })
    return { run: written, twice: accepted }
  })
  tellAcceptances(context, twice)
  const fields = { partner_id: partner.id, run_id: run.id, ...run.counts }
  if (run.result === 'green') context.log.info(fields, 'the books agree with those of a partner')
  else context.log.error(fields, 'the books differ from those of a partner')
  return run
}

/** A partner that could not be asked: nothing is known, and a shut lane stays shut. */
export async function recordFailedRun(
  { context }: ReconcileDeps,
  frame: RunFrame,
  refusal: Refusal,
): Promise<ShipmentRun> {
  const result = refusal.code === 'manifest_unsupported' ? 'unsupported' : 'failed'
  const fields = { partner_id: frame.partner.id, code: refusal.code }
  if (frame.begin.is_clear) context.log.warn(fields, refusal.detail)
  else context.log.error(fields, `${refusal.detail} Its lane stays shut after the restore.`)
  const none = { lost: 0, phantom: 0, content: 0, recalled: 0, refused: 0, shipment: 0 }
  const nothing = { ours: 0, theirs: 0, matched: 0, pending: 0, adopted: 0, released: 0 }
  return withTransaction(context.database, (tx) =>
    write(tx, context, frame, {
      ...nothing,
      counts: none,
      differences: [],
      result,
      code: refusal.code,
    }),
  )
}

async function judge(
  { database, merchant }: Context,
  { begin, partner }: RunFrame,
  reading: ManifestReading,
  adoption: Adopted,
): Promise<Judged> {
  const differences = reading.differences.filter((one) => !adoption.adopted.has(one.key))
  const regression = regressionSubject(partner.id, begin.high_sequence, reading)
  const subjects = [...differences.map((one) => one.subject), regression ?? '']
  const explained = new Set(
    (await read(database, selectExplained, { merchant, subjects })).map((row) => row.subject_id),
  )
  const isRegressed = regression !== undefined && !explained.has(regression)
  const open = differences.filter((one) => !explained.has(one.subject))
  const isGreen = !isRegressed && open.every((one) => one.kind === 'shipment')
  return { differences, open, isRegressed, isGreen }
}

// Before anything else is written: the next claim of a dispatch must find the partner paused.
async function stopLane(
  context: Context,
  partner: Partner,
  { begin }: RunFrame,
  reading: ManifestReading,
): Promise<void> {
  context.log.error(
    { partner_id: partner.id, known: begin.high_sequence, shown: reading.highest },
    'page: the manifest of a partner ends before what it has confirmed; its lane is paused',
  )
  if (partner.pausedAt !== null) return
  const reason = 'its manifest went back'
  await pausePartner(context, { partner: partner.id, actor: ACTOR, reason })
}

// Resolving a case opens no lane: each unknown fulfillment is matched or closed by a person first. The other
// differences are in cases and no reason to keep what is new waiting; the same key for other content is a breach
// of the protocol.
function canOpen(reading: ManifestReading, adoption: Adopted, isRegressed: boolean): boolean {
  const isAccounted = reading.counts.phantom <= adoption.adopted.size
  return !isRegressed && isAccounted && reading.counts.content === 0
}

async function openLane(
  tx: Transaction,
  merchant: string,
  { begin, partner, wish }: RunFrame,
  reading: ManifestReading,
  { adoption, isRegressed }: { readonly adoption: Adopted; readonly isRegressed: boolean },
): Promise<number> {
  if (begin.is_clear) return 0
  const { phantoms } = reading
  await skipLostSequences(tx, merchant, { partner: partner.id, upto: reading.highest, phantoms })
  if (!canOpen(reading, adoption, isRegressed)) return 0
  const released = await releaseFrozen(tx, merchant, {
    partner: partner.id,
    epoch: begin.fence_epoch,
    known: reading.waitingKeys,
    actor: wish.actor,
    reason: 'each dispatch that the partner holds is in our books, or written down as unknown',
  })
  return released?.dispatches.length ?? 0
}

async function tellCases(
  tx: Transaction,
  merchant: string,
  told: {
    readonly frame: RunFrame
    readonly reading: ManifestReading
    readonly judged: Judged
    readonly adoption: Adopted
  },
): Promise<void> {
  const { frame, reading, judged, adoption } = told
  const { partner, begin } = frame
  if (judged.isRegressed) {
    await openCases(tx, merchant, ACTOR, [regressionCase(partner.id, begin.high_sequence, reading)])
    return
  }
  await openCases(tx, merchant, ACTOR, await casesOf(tx, merchant, partner, judged.open, adoption))
  if (!frame.isWhole) return
  const still = new Set(judged.differences.map((one) => one.subject))
  const before = await many(tx, selectOpenSubjects, { merchant, partner: partner.id })
  await resolveCasesAbout(tx, merchant, {
    kind: 'discrepancy',
    subjects: before.flatMap((row) => (still.has(row.subject_id) ? [] : row.subject_id)),
    actor: ACTOR,
    outcome: 'The books agree again.',
  })
}

async function save(
  tx: Transaction,
  merchant: string,
  { begin, partner, after }: RunFrame,
  reading: ManifestReading,
  { isRegressed, isGreen, open, differences }: Judged,
): Promise<void> {
  const [own] = await many(tx, selectFirstOpen, { merchant, partner: partner.id })
  const isAllKept = reading.differences.length < 1_000
  const firstOpen = open.reduce((least, one) => Math.min(least, one.sequence), Infinity)
  const firstDifferent = isAllKept ? firstOpen : reading.firstDifferent
  const isRegressionExplained = !isRegressed && reading.highest < begin.high_sequence
  const agreed = Math.min(
    (own?.first_open ?? (own?.last ?? 0) + 1) - 1,
    firstDifferent - 1,
    Math.max(reading.highest, differences.length === 0 ? after : 0),
  )
  await change(tx, saveState, {
    merchant,
    partner: partner.id,
    high: isRegressionExplained ? reading.highest : Math.max(begin.high_sequence, reading.highest),
    settled: isRegressed ? Math.min(begin.settled_through, after) : Math.max(0, agreed),
    green: isGreen,
  })
}

async function write(
  tx: Transaction,
  { merchant }: Context,
  { wish, partner, begin, after }: RunFrame,
  run: Omit<ShipmentRun, 'id' | 'partner'>,
): Promise<ShipmentRun> {
  const id = newId('rec')
  const { lost, phantom, content, recalled, refused, shipment } = run.counts
  const counts = { lost, phantom, differing: content + recalled + refused + shipment }
  const { ours, theirs, matched, pending, adopted, released, result, code } = run
  await change(tx, insertRun, {
    merchant,
    id,
    partner: partner.id,
    cause: wish.cause,
    actor: wish.actor,
    epoch: begin.fence_epoch,
    after,
    ours,
    theirs,
    matched,
    pending,
    adopted,
    released,
    result,
    code,
    ...counts,
    differences: JSON.stringify(run.differences.slice(0, 100)),
    started: begin.now,
  })
  const data = { partner_id: partner.id, result, code, ours, theirs, ...counts, adopted, released }
  await appendEvents(tx, merchant, [{ subjectId: id, kind: 'reconciliation.finished', data }])
  const differences = run.differences
  return {
    id,
    partner: partner.id,
    counts: run.counts,
    differences,
    ours,
    theirs,
    matched,
    pending,
    adopted,
    released,
    result,
    code,
  }
}
