import { accept, bytesEqual, invariant, refuse, RefusedError } from '#kernel/index.ts'
import type { Outcome, Refusal, RefusalCode } from '#kernel/index.ts'
import { appendEvents, change, many, maybe, withTransaction } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { listPartners } from '#partners/index.ts'
import type { OpenedHandOver, ReviewKeys } from '#wire/index.ts'
import { lockGates, notifyWork } from '../fulfillment-statements.ts'
import { judgeRecords, standingOf } from './judge-record.ts'
import type { JudgedRecord, Standing } from './judge-record.ts'
import { insertHandOver, selectDecisions, selectHandOver } from './receive-statements.ts'
import { refuseThose } from './refuse-those.ts'
import { takeRecords } from './take-records.ts'

/** What the receiver echoes; the sender compares every field. `holds` counts what was settled so. */
export type HandOverReceipt = {
  readonly id: string
  readonly digest: Buffer
  readonly records: number
  readonly orders: number
  readonly holds: number
  readonly clears: number
}

type Judged = readonly (readonly [JudgedRecord, Standing])[]

/**
 * Takes a whole hand-over in one transaction, or nothing of it. The same id with the same digest
 * returns the same receipt. A decision that is known here (the same number, id and certificate) is
 * answered with the verdict that stands here, before anything else of its record is looked at, and
 * changes nothing: what has become of the order since is no reason to refuse it. A CLEAR that its
 * certificate does not prove is stored as a HOLD, and gives way to a certified decision of its number.
 * Refuses `handover_conflict`, `order_digest_mismatch`, `location_unknown`, `manifest_mismatch`, and
 * what the reader found wrong with a record that is not known; `meta.records` lists their places.
 */
export async function receiveHandOver(
  context: Context,
  keys: ReviewKeys,
  opened: OpenedHandOver,
): Promise<Outcome<HandOverReceipt>> {
  const { merchant } = context
  if (opened.merchant !== merchant) {
    return refuse('manifest_mismatch', 'The batch is for another merchant.')
  }
  const partners = await listPartners(context.database, merchant)
  const partnerOf = new Map(partners.map((one) => [one.locationId, one.id]))
  const judged = judgeRecords(opened, keys)
  const { id: provenance } = await context.provenance()
  const batch = { opened, judged, partnerOf, provenance }
  try {
    return accept(await withTransaction(context.database, (tx) => takeAll(tx, merchant, batch)))
  } catch (fault) {
    if (fault instanceof RefusedError) return { ok: false, refusal: fault.refusal }
    throw fault
  }
}

async function takeAll(
  tx: Transaction,
  merchant: string,
  batch: {
    readonly opened: OpenedHandOver
    readonly judged: readonly JudgedRecord[]
    readonly partnerOf: ReadonlyMap<string, string>
    readonly provenance: string
  },
): Promise<HandOverReceipt> {
  const { opened, judged, partnerOf, provenance } = batch
  const before = await maybe(tx, selectHandOver, { merchant, id: opened.batchId })
  if (before) return replayedReceipt(opened, before)
  const orders = [...new Set(opened.records.map((one) => one.orderId))].toSorted()
  await change(tx, lockGates, { merchant, orders })
  const standing = await compareAll(tx, merchant, orders, judged)
  const receipt = receiptOf(opened, standing)
  const inserted = await maybe(tx, insertHandOver, { merchant, ...receipt, provenance })
  if (!inserted) {
    const meanwhile = await maybe(tx, selectHandOver, { merchant, id: opened.batchId })
    invariant(meanwhile, 'a hand-over that cannot be inserted is there')
    return replayedReceipt(opened, meanwhile)
  }
  const fresh = standing.filter(([, to]) => to.kind !== 'known')
  const by = { merchant, handOver: receipt.id, partnerOf }
  const settled = fresh.length > 0 ? await takeRecords(tx, by, fresh) : { opened: 0, held: 0 }
  const { records, holds } = receipt
  const data = { orders: receipt.orders, records, holds, known: records - fresh.length, ...settled }
  await appendEvents(tx, merchant, [{ subjectId: receipt.id, kind: 'handover.received', data }])
  if (fresh.length > 0) await many(tx, notifyWork, { topic: 'fulfillment' })
  return receipt
}

/** How every record stands to the decisions here; refused if one is another decision than the one here. */
async function compareAll(
  tx: Transaction,
  merchant: string,
  orders: readonly string[],
  judged: readonly JudgedRecord[],
): Promise<Judged> {
  const rows = await many(tx, selectDecisions, { merchant, orders })
  const stored = new Map(rows.map((row) => [`${row.order_id} ${row.number}`, row]))
  const standing = judged.map(
    (one) =>
      [
        one,
        standingOf(one, stored.get(`${one.record.orderId} ${one.record.decisionNumber}`)),
      ] as const,
  )
  refuseThose(
    standing.flatMap(([one, { kind }]) => {
      if (kind !== 'conflict') return []
      const { orderId, decisionNumber } = one.record
      const detail = `Decision ${decisionNumber} of ${orderId} is another one here.`
      return [[one, one.fault ?? refusalOf('handover_conflict', detail)] as const]
    }),
  )
  return standing
}

function receiptOf(opened: OpenedHandOver, standing: Judged): HandOverReceipt {
  const clears = standing.filter(
    ([one, to]) => (to.kind === 'known' ? to.verdict : one.verdict.kind) === 'clear',
  ).length
  const records = opened.records.length
  const orders = new Set(opened.records.map((one) => `${one.orderId} ${one.revision}`)).size
  const { batchId: id, digest } = opened
  return { id, digest, records, orders, holds: records - clears, clears }
}

function replayedReceipt(
  { batchId: id, digest }: OpenedHandOver,
  before: Omit<HandOverReceipt, 'id'>,
): HandOverReceipt {
  if (bytesEqual(before.digest, digest)) return { id, ...before }
  const detail = `Hand-over ${id} came before with other content.`
  throw new RefusedError(refusalOf('handover_conflict', detail))
}

const refusalOf = (code: RefusalCode, detail: string): Refusal => ({ code, detail })
