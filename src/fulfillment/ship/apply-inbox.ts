import { appendEvents, change, isUnavailable, many, withTransaction } from '#platform/index.ts'
import type { Context, NewEvent, RowOf, Transaction } from '#platform/index.ts'
import { recordAcceptances, tellAcceptances } from './acceptance-evidence.ts'
import type { FoundAcceptances } from './acceptance-evidence.ts'
import { confirmDispatches } from './confirm-dispatches.ts'
import type { ReportedAcceptance } from './confirm-dispatches.ts'
import { claimInbox, markApplied } from './inbox-statements.ts'
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
    const applied = await applyEach(tx, merchant, stored.map(readStored))
    return { ...applied, events: stored.length }
  })
  for (const alarm of done.alarms) log.error({ ...alarm }, 'a partner event needs a person')
  // Counted after the commit: what was rolled back and tried again counts once.
  if (done.found) tellAcceptances(context, done.found)
  return done.events
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
type Applied = { readonly alarms: readonly Alarm[]; readonly found?: FoundAcceptances }

async function applyEach(
  tx: Transaction,
  merchant: string,
  readings: readonly Reading[],
): Promise<Applied> {
  if (readings.length === 0) return { alarms: [] }
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
  const confirmed = await confirmDispatches(tx, merchant, acceptancesOf(readings))
  const report = await recordShipments(tx, merchant, parcels)
  events.push(...(await recordShortages(tx, merchant, shortagesOf(readings))))
  const arrived = await recordDeliveries(tx, merchant, deliveriesOf(readings), parcels)
  const found = await recordAcceptances(tx, merchant, [...confirmed.foreign, ...report.foreign])
  await mark(tx, merchant, readings)
  const told = [...confirmed.events, ...report.events, ...found.events]
  await appendEvents(tx, merchant, [...events, ...told, ...arrived])
  return { alarms: [...alarms, ...report.alarms], found }
}

function acceptancesOf(readings: readonly Reading[]): readonly ReportedAcceptance[] {
  return readings.flatMap(({ stored, event }) =>
    event?.type === 'dispatch.accepted'
      ? [
          {
            partner: stored.partner_id,
            dispatchKey: event.dispatch_key,
            fulfillments: event.fulfillments,
          },
        ]
      : [],
  )
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
