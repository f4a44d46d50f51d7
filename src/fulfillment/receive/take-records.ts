import { invariant, RefusedError } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import { appendEvents, change, many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import type { HandOverRecord } from '#wire/index.ts'
import { settleOrders } from '../hold/settle-orders.ts'
import type { Settled } from '../hold/settle-orders.ts'
import { makeRoom, replaceDecision, setAside } from './give-way.ts'
import { isSameOrder, isTakenAnyway } from './judge-record.ts'
import type { JudgedRecord, Standing, StoredContent } from './judge-record.ts'
import { planFulfillments } from './plan-fulfillment.ts'
import { refuseThose } from './refuse-those.ts'
import {
  insertDecisions,
  insertFulfillments,
  insertOrders,
  selectContents,
  selectDecisions,
  selectTombstones,
} from './receive-statements.ts'

type Fresh = readonly (readonly [JudgedRecord, Standing])[]

/** The hand-over that brings records, and which partner stands behind a stock location. */
export type Bringing = {
  readonly merchant: string
  readonly handOver: string
  readonly partnerOf: ReadonlyMap<string, string>
}

/**
 * Takes the records of which the decision is not known here, under the gates of their orders. Content
 * that stands here is never written again, and makes no fulfillment orders again.
 */
export async function takeRecords(tx: Transaction, by: Bringing, fresh: Fresh): Promise<Settled> {
  const { merchant } = by
  const records = fresh.map(([one]) => one)
  const orders = [...new Set(records.map((one) => one.record.orderId))].toSorted()
  const rows = await many(tx, selectContents, { merchant, orders })
  const contents = new Map(rows.map((row) => [nameOf(row.order_id, row.revision), row]))
  const added: HandOverRecord[] = []
  for (const [name, one] of speakers(records)) {
    const content = contents.get(name)
    if (content && !(await makeRoom(tx, by, one, content))) continue
    contents.delete(name)
    if (!one.fault) added.push(one.record)
  }
  checkContents(records, contents, added)
  await insertContents(tx, merchant, added)
  await takeDecisions(tx, by, fresh)
  await clearOrphans(tx, by, fresh, contents)
  await makeFulfillments(tx, by, orders, added)
  return settleOrders(tx, merchant, orders)
}

const nameOf = (order: string, revision: number): string => `${order} ${revision}`

/** Of each order revision the record that speaks for its content: a certified one if there is one. */
function speakers(records: readonly JudgedRecord[]): ReadonlyMap<string, JudgedRecord> {
  const speaking = new Map<string, JudgedRecord>()
  for (const one of records) {
    const name = nameOf(one.record.orderId, one.record.revision)
    const before = speaking.get(name)
    const isBetter = !before || (one.isProven && !before.isProven) || (before.fault && !one.fault)
    if (isBetter) speaking.set(name, one)
  }
  return speaking
}

/** Every record is sound, and about exactly the order that is held here from now on. */
function checkContents(
  records: readonly JudgedRecord[],
  held: ReadonlyMap<string, StoredContent>,
  added: readonly HandOverRecord[],
): void {
  const coming = new Map(added.map((one) => [nameOf(one.orderId, one.revision), contentOf(one)]))
  refuseThose(
    records.flatMap((one) => {
      const { orderId, revision } = one.record
      const name = nameOf(orderId, revision)
      const content = coming.get(name) ?? held.get(name)
      if (one.fault && !isTakenAnyway(one.fault, content)) return [[one, one.fault] as const]
      if (content && isSameOrder(one.record, content)) return []
      const detail = `Order ${orderId} differs from the one held here.`
      const refusal: Refusal = { code: 'order_digest_mismatch', detail }
      return [[one, refusal] as const]
    }),
  )
}

function contentOf(record: HandOverRecord): StoredContent {
  return {
    order_id: record.orderId,
    revision: record.revision,
    order_digest: Buffer.from(record.orderDigest),
    order_number: record.orderNumber,
    ship_by: instantOf(record.shipByMs),
    lines: record.lines,
    identity: record.identity,
    is_proven: true,
  }
}

const instantOf = (ms: number | null): Date | null => (ms === null ? null : new Date(ms))

async function insertContents(
  tx: Transaction,
  merchant: string,
  orders: readonly HandOverRecord[],
): Promise<void> {
  if (orders.length === 0) return
  await change(tx, insertOrders, {
    merchant,
    ids: orders.map((one) => one.orderId),
    revisions: orders.map((one) => one.revision),
    digests: orders.map((one) => one.orderDigest),
    numbers: orders.map((one) => one.orderNumber),
    currencies: orders.map((one) => one.currency),
    addresses: orders.map((one) => JSON.stringify(one.shipTo)),
    lines: orders.map((one) => JSON.stringify(one.lines)),
    promises: orders.map((one) => instantOf(one.shipByMs)),
    identities: orders.map((one) => one.identity),
  })
}

async function takeDecisions(tx: Transaction, by: Bringing, fresh: Fresh): Promise<void> {
  for (const [one, to] of fresh) {
    if (to.kind === 'replaces') await replaceDecision(tx, by, one, to.old)
  }
  const added = fresh.flatMap(([one, to]) => (to.kind === 'new' ? [one] : []))
  if (added.length === 0) return
  const none = new Uint8Array()
  const kept = await many(tx, insertDecisions, {
    merchant: by.merchant,
    handover: by.handOver,
    orders: added.map(({ record }) => record.orderId),
    numbers: added.map(({ record }) => record.decisionNumber),
    ids: added.map(({ record }) => record.decisionId),
    verdicts: added.map(({ verdict }) => verdict.kind),
    reasons: added.map(({ record, verdict }) =>
      JSON.stringify(verdict.kind === 'hold' ? verdict.reasons : record.reasons),
    ),
    revisions: added.map(({ record }) => record.revision),
    digests: added.map(({ record }) => record.orderDigest),
    keys: added.map(({ record }) => record.keyId),
    approvals: added.map((one) => (one.isProven ? one.record.approval : none)),
    effective: added.map(({ record }) => new Date(record.effectiveAtMs)),
  })
  invariant(kept.length === added.length, 'the gates of the orders keep others out')
}

/** A forged decision may have brought a revision that nobody made: it goes with that decision. */
async function clearOrphans(
  tx: Transaction,
  by: Bringing,
  fresh: Fresh,
  contents: ReadonlyMap<string, StoredContent>,
): Promise<void> {
  const left = new Map<string, { order: string; revision: number }>()
  for (const [{ record }, to] of fresh) {
    if (to.kind !== 'replaces' || to.old.revision === record.revision) continue
    const { orderId: order } = record
    const { revision } = to.old
    const name = nameOf(order, revision)
    if (contents.has(name)) left.set(name, { order, revision })
  }
  if (left.size === 0) return
  const orders = [...left.values()].map(({ order }) => order)
  const decisions = await many(tx, selectDecisions, { merchant: by.merchant, orders })
  const used = new Set(decisions.map((one) => nameOf(one.order_id, one.revision)))
  for (const [name, { order, revision }] of left) {
    if (!used.has(name)) await setAside(tx, by, order, revision)
  }
}

async function makeFulfillments(
  tx: Transaction,
  { merchant, partnerOf }: Bringing,
  orders: readonly string[],
  added: readonly HandOverRecord[],
): Promise<void> {
  if (added.length === 0) return
  const outcome = planFulfillments(added, partnerOf)
  if (!outcome.ok) throw new RefusedError(outcome.refusal)
  const planned = outcome.value
  const rows = await many(tx, selectTombstones, { merchant, orders })
  const withdrawn = new Map(rows.map((row) => [row.order_id, row.revision]))
  const made = await many(tx, insertFulfillments, {
    merchant,
    ids: planned.map((one) => one.id),
    orders: planned.map((one) => one.orderId),
    revisions: planned.map((one) => one.revision),
    partners: planned.map((one) => one.partnerId),
    locations: planned.map((one) => one.locationId),
    lines: planned.map((one) => JSON.stringify(one.lines)),
    promises: planned.map((one) => instantOf(one.shipByMs)),
    states: planned.map((one) =>
      one.revision <= (withdrawn.get(one.orderId) ?? 0) ? 'withdrawn' : 'held',
    ),
  })
  await appendEvents(
    tx,
    merchant,
    made.map((row) => ({
      subjectId: row.id,
      kind: row.state === 'withdrawn' ? 'fulfillment.withdrawn' : 'fulfillment.made',
      data: { order_id: row.order_id },
    })),
  )
}
