import { appendEvents, change, isUnavailable, many, withTransaction } from '#platform/index.ts'
import type { Context, NewEvent, RowOf, Transaction } from '#platform/index.ts'
import { writeAnswers } from '../dispatch/complete-dispatch.ts'
import { claimInbox, markApplied, selectByKey, settleInDoubt } from './inbox-statements.ts'
import { readPartnerEvent } from './partner-event.ts'
import type { PartnerEvent } from './partner-event.ts'
import { recordDeliveries } from './record-deliveries.ts'
import type { ReportedDelivery } from './record-deliveries.ts'
import { recordShipments } from './record-shipments.ts'
import { recordShortages } from './record-shortages.ts'
import type { ReportedShortage } from './record-shortages.ts'

type Stored = RowOf<typeof claimInbox.row>
type Reading = { readonly stored: Stored; readonly event?: PartnerEvent; readonly outcome: string }

/** Events of one transaction: each may carry a hundred parcels. */
const EVENTS_MAX = 10

/**
 * Applies stored partner events in the order of their arrival, set-based, and answers how many. An
 * event that makes the transaction fail is tried alone, and then set aside loudly: it never blocks
 * the ones behind it.
 */
export async function applyInbox(context: Context): Promise<number> {
  try {
    return await applySome(context, EVENTS_MAX)
  } catch (fault) {
    if (isUnavailable(fault)) throw fault
    context.log.warn({ fault: String(fault) }, 'partner events failed together; one by one')
    return applyAlone(context)
  }
}

async function applySome(context: Context, limit: number): Promise<number> {
  const { merchant, database, log } = context
  const done = await withTransaction(database, async (tx) => {
    const stored = await many(tx, claimInbox, { merchant, limit })
    return { stored, alarms: await applyEach(tx, merchant, stored.map(readStored)) }
  })
  for (const alarm of done.alarms) log.error({ ...alarm }, 'a partner event needs a person')
  return done.stored.length
}

async function applyAlone(context: Context): Promise<number> {
  const { merchant, database, log } = context
  try {
    return await applySome(context, 1)
  } catch (fault) {
    if (isUnavailable(fault)) throw fault
    log.error({ fault: String(fault) }, 'a partner event cannot be applied and is set aside')
    return withTransaction(database, async (tx) => {
      const stored = await many(tx, claimInbox, { merchant, limit: 1 })
      await mark(
        tx,
        merchant,
        stored.map((one) => ({ stored: one, outcome: 'fault' })),
      )
      return stored.length
    })
  }
}

function readStored(stored: Stored): Reading {
  const read = readPartnerEvent(stored.raw, stored.partner_id)
  return 'event' in read
    ? { stored, event: read.event, outcome: 'applied' }
    : { stored, outcome: read.unread }
}

type Alarm = Readonly<Record<string, string>>

async function applyEach(
  tx: Transaction,
  merchant: string,
  readings: readonly Reading[],
): Promise<readonly Alarm[]> {
  if (readings.length === 0) return []
  const events: NewEvent[] = []
  const alarms: Alarm[] = []
  for (const { stored, outcome, event } of readings) {
    if (event) continue
    const data = { partner_id: stored.partner_id, outcome }
    events.push({ subjectId: stored.webhook_id, kind: 'partner_event.unread', data })
    if (outcome !== 'unknown_type') alarms.push({ ...data, webhook_id: stored.webhook_id })
  }
  const parcels = readings.flatMap(({ stored, event }) =>
    event?.type === 'shipment.shipped'
      ? event.shipments.map((one) => ({
          ...one,
          partner: stored.partner_id,
          shippedAt: event.occurred_at,
          dispatchKey: event.dispatch_key,
        }))
      : [],
  )
  events.push(...(await confirmDispatches(tx, merchant, readings)))
  const report = await recordShipments(tx, merchant, parcels)
  events.push(...(await recordShortages(tx, merchant, shortagesOf(readings))))
  const arrived = await recordDeliveries(tx, merchant, deliveriesOf(readings), parcels)
  await mark(tx, merchant, readings)
  await appendEvents(tx, merchant, [...events, ...report.events, ...arrived])
  return [...alarms, ...report.alarms]
}

function shortagesOf(readings: readonly Reading[]): readonly ReportedShortage[] {
  return readings.flatMap(({ stored, event }) =>
    event?.type === 'shipment.short'
      ? event.fulfillments.map((one) => ({
          ...one,
          partner: stored.partner_id,
          dispatchKey: event.dispatch_key,
        }))
      : [],
  )
}

function deliveriesOf(readings: readonly Reading[]): readonly ReportedDelivery[] {
  return readings.flatMap(({ stored, event }) =>
    event?.type === 'shipment.delivered'
      ? event.shipments.map((one) => ({
          ...one,
          partner: stored.partner_id,
          deliveredAt: event.occurred_at,
        }))
      : [],
  )
}

/** A signed acceptance of exactly our orders settles a dispatch in doubt; else it only confirms. */
async function confirmDispatches(
  tx: Transaction,
  merchant: string,
  readings: readonly Reading[],
): Promise<readonly NewEvent[]> {
  const told = readings.flatMap(({ stored, event }) =>
    event?.type === 'dispatch.accepted' ? [{ partner: stored.partner_id, event }] : [],
  )
  if (told.length === 0) return []
  const keys = told.map((one) => one.event.dispatch_key)
  const rows = await many(tx, selectByKey, { merchant, keys })
  const proven = rows.filter((row) =>
    told.some(
      ({ partner, event }) =>
        event.dispatch_key === row.key &&
        partner === row.partner_id &&
        isSameSet(event.fulfillments, row.fulfillments),
    ),
  )
  const inDoubt = proven.filter((row) => row.state === 'unknown' || row.state === 'needs_operator')
  if (inDoubt.length === 0) return []
  const ids = inDoubt.map((row) => row.id)
  const settled = await many(tx, settleInDoubt, { merchant, ids, code: 'partner_event' })
  const moved = new Set(settled.map((row) => row.id))
  const done = inDoubt.filter((row) => moved.has(row.id))
  const answers = await writeAnswers(
    tx,
    merchant,
    done.map((row) => ({
      dispatchId: row.id,
      next: { state: 'accepted', delayMs: 0 },
      accepted: row.fulfillments,
      rejected: [],
    })),
  )
  const data = { code: 'partner_event' }
  return [
    ...done.map((row) => ({ subjectId: row.id, kind: 'dispatch.accepted', data })),
    ...answers,
  ]
}

const isSameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && [...a].toSorted().join(' ') === [...b].toSorted().join(' ')

async function mark(
  tx: Transaction,
  merchant: string,
  readings: readonly Pick<Reading, 'stored' | 'outcome'>[],
): Promise<void> {
  await change(tx, markApplied, {
    merchant,
    partners: readings.map((one) => one.stored.partner_id),
    ids: readings.map((one) => one.stored.webhook_id),
    outcomes: readings.map((one) => one.outcome),
  })
}
