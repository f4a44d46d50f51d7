import { newId } from '#kernel/index.ts'
import { openCases } from '#cases/index.ts'
import type { NewCase } from '#cases/index.ts'
import { issueShipment } from '#inventory/index.ts'
import { many } from '#platform/index.ts'
import type { NewEvent, Transaction } from '#platform/index.ts'
import {
  insertShipments,
  insertUnits,
  lockShipped,
  selectClaims,
  selectReleased,
  selectShippedLines,
  shipOrders,
} from './inbox-statements.ts'
import type { ToldAcceptance } from './acceptance-evidence.ts'
import { stockSubjects } from '../reship/stock-subject.ts'
import { judgeParcels } from './judge-parcels.ts'
import type { ParcelVerdict } from './judge-parcels.ts'
import { generationOf, UnitBook } from './parcel.ts'
import type { PlacedParcel, ReportedShipment } from './parcel.ts'

/** What was recorded: the events of it, what must be told loudly, and parcels by a key that is not the order's. */
export type ShipmentReport = Pick<ParcelVerdict, 'events' | 'alarms'> & {
  readonly foreign: readonly ToldAcceptance[]
}

type Alarm = ParcelVerdict['alarms'][number]
type Placed = {
  readonly known: readonly PlacedParcel[]
  /** `orderId` where it is an order that another partner has. */
  readonly strange: readonly (ReportedShipment & { readonly orderId: string | undefined })[]
}

/**
 * Records parcels, many at a time: each once by the partner's own name for it, the fulfillment order
 * moved by the lattice, the stock issued. Goods that left against our books are recorded all the
 * same, and told as `double_ship_suspected` with a case; a parcel of nothing we know is
 * `shipment.unmatched`, and of an order that another partner has, both.
 */
export async function recordShipments(
  tx: Transaction,
  merchant: string,
  parcels: readonly ReportedShipment[],
): Promise<ShipmentReport> {
  if (parcels.length === 0) return { events: [], alarms: [], foreign: [] }
  const { known, strange } = await place(tx, merchant, parcels)
  const ids = [...new Set(known.map((one) => one.target.id))]
  const book = new UnitBook(
    await many(tx, selectShippedLines, { merchant, ids }),
    await many(tx, selectReleased, { merchant, ids }),
  )
  const inserted = await insertAll(tx, merchant, known)
  const recorded = known.filter((one) => inserted.has(one.id))
  const repeated = await keepUnits(tx, merchant, recorded)
  const verdict = judgeParcels(recorded, book, repeated)
  if (verdict.shipped.length > 0) await many(tx, shipOrders, { merchant, ids: verdict.shipped })
  const subjectOf = await stockSubjects(tx, merchant, ids)
  const issued = recorded.map((one) => ({
    shipmentId: one.id,
    orderId: subjectOf({
      fulfillment: one.target.id,
      generation: generationOf(one),
      order: one.target.order_id,
    }),
    locationId: one.target.location_id,
    lines: one.parcel.lines.map(({ line_id, sku, qty }) => ({ lineNo: Number(line_id), sku, qty })),
  }))
  await issueShipment(tx, merchant, issued)
  const told = strange.map(tellStrange)
  const cases = [...verdict.cases, ...told.map((one) => one.seen)]
  await openCases(tx, merchant, 'fulfillment', cases)
  return {
    events: [...told.flatMap((one) => one.events), ...verdict.events],
    alarms: [...told.map((one) => one.alarm), ...verdict.alarms],
    foreign: foreignOf(known, strange),
  }
}

const GIVEN_BACK = new Set(['rejected', 'recalled'])

/** Parcels that prove an acceptance which no dispatch of ours that still stands has. */
function foreignOf(known: Placed['known'], strange: Placed['strange']): readonly ToldAcceptance[] {
  const parcels = [
    ...known.flatMap(({ parcel, claim }) => (claim && !GIVEN_BACK.has(claim.state) ? [] : parcel)),
    ...strange.filter((parcel) => parcel.orderId !== undefined),
  ]
  return parcels.map((parcel) => ({
    partner: parcel.partner,
    key: parcel.dispatchKey,
    fulfillment: parcel.fulfillment_id,
    source: 'shipment',
  }))
}

async function place(
  tx: Transaction,
  merchant: string,
  parcels: readonly ReportedShipment[],
): Promise<Placed> {
  const ids = [...new Set(parcels.map((one) => one.fulfillment_id))]
  const targets = new Map(
    (await many(tx, lockShipped, { merchant, ids })).map((row) => [row.id, row]),
  )
  const keys = [...new Set(parcels.map((one) => one.dispatchKey))]
  const claims = new Map(
    (await many(tx, selectClaims, { merchant, keys, fulfillments: ids })).map((row) => [
      `${row.key} ${row.fulfillment_id} ${row.partner_id}`,
      { dispatchId: row.dispatch_id, generation: row.generation, state: row.state },
    ]),
  )
  const known: PlacedParcel[] = []
  const strange: (ReportedShipment & { orderId: string | undefined })[] = []
  for (const parcel of parcels) {
    const target = targets.get(parcel.fulfillment_id)
    if (target?.partner_id !== parcel.partner) {
      strange.push({ ...parcel, orderId: target?.order_id })
      continue
    }
    const claim = claims.get(`${parcel.dispatchKey} ${target.id} ${parcel.partner}`)
    known.push({ id: newId('shp'), parcel, target, ...(claim ? { claim } : {}) })
  }
  return { known, strange }
}

/** A parcel that cannot be booked. Of an order that another partner has, its goods leave twice. */
function tellStrange(parcel: Placed['strange'][number]): {
  readonly events: readonly NewEvent[]
  readonly alarm: Alarm
  readonly seen: NewCase
} {
  const { partner, shipment_id: name, fulfillment_id: subjectId, orderId } = parcel
  const isOfAnother = orderId !== undefined
  const data = { partner_id: partner, shipment_id: name }
  const reason = isOfAnother ? 'other_partner' : 'unmatched'
  const suspected = { subjectId, kind: 'double_ship_suspected', data: { ...data, reason } }
  return {
    alarm: { fulfillmentId: subjectId, reason },
    events: [{ subjectId, kind: 'shipment.unmatched', data }, ...(isOfAnother ? [suspected] : [])],
    seen: {
      kind: isOfAnother ? 'double_ship' : 'unmatched_shipment',
      subjectId: isOfAnother ? subjectId : `${partner} ${name}`,
      partnerId: partner,
      title: isOfAnother
        ? 'A partner shipped an order that another partner has.'
        : 'A partner told of a parcel of nothing that we know.',
      evidence: {
        fulfillment: subjectId,
        partner_shipment: name,
        dispatch_key: parcel.dispatchKey,
        tracking: parcel.tracking_number ?? null,
        lines: parcel.lines.map(({ line_id, sku, qty }) => ({ line_id, sku, qty })),
      },
      ...(isOfAnother ? { orderId, dueHours: 1 } : {}),
    },
  }
}

async function insertAll(
  tx: Transaction,
  merchant: string,
  candidates: readonly PlacedParcel[],
): Promise<ReadonlySet<string>> {
  if (candidates.length === 0) return new Set()
  const rows = await many(tx, insertShipments, {
    merchant,
    ids: candidates.map((one) => one.id),
    partners: candidates.map((one) => one.parcel.partner),
    names: candidates.map((one) => one.parcel.shipment_id),
    fulfillments: candidates.map((one) => one.target.id),
    generations: candidates.map(generationOf),
    dispatches: candidates.map((one) => one.claim?.dispatchId ?? one.target.dispatch_id ?? ''),
    carriers: candidates.map((one) => one.parcel.carrier ?? ''),
    trackings: candidates.map((one) => one.parcel.tracking_number ?? ''),
    lines: candidates.map((one) => JSON.stringify(one.parcel.lines)),
    shipped: candidates.map((one) => one.parcel.shippedAt),
  })
  return new Set(rows.map((row) => row.id))
}

/** Keeps the units that partners name one by one; answers the parcels that hold one for the second time. */
async function keepUnits(
  tx: Transaction,
  merchant: string,
  recorded: readonly PlacedParcel[],
): Promise<ReadonlySet<string>> {
  const named = recorded.flatMap((one) =>
    one.parcel.lines.flatMap((line) =>
      (line.unit_ids ?? []).map((unit) => ({ one, line: line.line_id, unit })),
    ),
  )
  if (named.length === 0) return new Set()
  const kept = await many(tx, insertUnits, {
    merchant,
    fulfillments: named.map(({ one }) => one.target.id),
    generations: named.map(({ one }) => generationOf(one)),
    lines: named.map(({ line }) => line),
    units: named.map(({ unit }) => unit),
    shipments: named.map(({ one }) => one.id),
  })
  const newUnits = Map.groupBy(kept, (row) => row.shipment_id)
  const told = Map.groupBy(named, ({ one }) => one.id)
  const isRepeated = ([id, units]: [string, readonly object[]]): boolean =>
    (newUnits.get(id)?.length ?? 0) < units.length
  return new Set([...told].filter(isRepeated).map(([id]) => id))
}
