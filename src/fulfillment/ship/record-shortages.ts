import { openCases } from '#cases/index.ts'
import type { NewCase } from '#cases/index.ts'
import { many } from '#platform/index.ts'
import type { NewEvent, RowOf, Transaction } from '#platform/index.ts'
import { lockShipped, selectClaims } from './inbox-statements.ts'
import { insertOpenLines } from './open-lines.ts'
import type { EventShortage } from './partner-event.ts'

/** Units of an order that its partner says it will not ship. */
export type ReportedShortage = EventShortage & {
  readonly partner: string
  readonly dispatchKey: string
}

type Target = RowOf<typeof lockShipped.row>
type Placed = {
  readonly told: ReportedShortage
  readonly target: Target
  readonly dispatchId: string
}

/**
 * Records what partners will not ship, line by line, and brings each order before a person: its stock stays
 * reserved until somebody says what becomes of it. What names no live line of the partner's own is a case too.
 */
export async function recordShortages(
  tx: Transaction,
  merchant: string,
  shortages: readonly ReportedShortage[],
): Promise<readonly NewEvent[]> {
  if (shortages.length === 0) return []
  const { known, strange } = await place(tx, merchant, shortages)
  const lines = known.flatMap((one) => one.told.lines.map((line) => ({ one, line })))
  const opened = await many(tx, insertOpenLines, {
    merchant,
    cause: 'short',
    fulfillments: lines.map(({ one }) => one.target.id),
    generations: lines.map(({ one }) => one.target.generation),
    dispatches: lines.map(({ one }) => one.dispatchId),
    lines: lines.map(({ line }) => line.line_id),
    skus: lines.map(({ line }) => line.sku),
    units: lines.map(({ line }) => line.qty),
    codes: lines.map(({ one }) => one.told.code),
  })
  const isOpen = new Set(opened.map((row) => row.fulfillment_id))
  const open = known.filter((one) => isOpen.has(one.target.id))
  await openCases(tx, merchant, 'fulfillment', [
    ...open.map(shortCase),
    ...strange.map(strangeCase),
  ])
  return open.map(({ told, target }) => ({
    subjectId: target.id,
    kind: 'fulfillment.short',
    data: { order_id: target.order_id, code: told.code, lines: told.lines },
  }))
}

async function place(
  tx: Transaction,
  merchant: string,
  shortages: readonly ReportedShortage[],
): Promise<{ readonly known: readonly Placed[]; readonly strange: readonly ReportedShortage[] }> {
  const ids = [...new Set(shortages.map((one) => one.fulfillment_id))]
  const targets = new Map(
    (await many(tx, lockShipped, { merchant, ids })).map((row) => [row.id, row]),
  )
  const keys = [...new Set(shortages.map((one) => one.dispatchKey))]
  const claims = await many(tx, selectClaims, { merchant, keys, fulfillments: ids })
  const known = new Map<string, Placed>()
  const strange: ReportedShortage[] = []
  for (const told of shortages) {
    const target = targets.get(told.fulfillment_id)
    const claim = claims.find(
      (one) =>
        one.key === told.dispatchKey &&
        one.partner_id === told.partner &&
        one.fulfillment_id === told.fulfillment_id &&
        one.state === 'live',
    )
    if (target && claim?.generation === target.generation && isOfOrder(told, target)) {
      const before = known.get(target.id)
      known.set(target.id, {
        told: before ? merged(before.told, told) : told,
        target,
        dispatchId: claim.dispatch_id,
      })
    } else strange.push(told)
  }
  return { known: [...known.values()], strange }
}

/** Each line is one of the order, with no more units than were ordered. */
function isOfOrder(told: ReportedShortage, target: Target): boolean {
  return told.lines.every((line) =>
    target.lines.some(
      (one) => one.line_id === line.line_id && one.sku === line.sku && line.qty <= one.qty,
    ),
  )
}

// One statement may not touch a row twice: of two tellings the larger number stands, line by line.
function merged(first: ReportedShortage, second: ReportedShortage): ReportedShortage {
  const lines = new Map(first.lines.map((line) => [line.line_id, line]))
  for (const line of second.lines) {
    const known = lines.get(line.line_id)
    if (!known || known.qty < line.qty) lines.set(line.line_id, line)
  }
  return { ...first, lines: [...lines.values()] }
}

const shortCase = ({ told, target }: Placed): NewCase => ({
  kind: 'short_shipment',
  subjectId: target.id,
  orderId: target.order_id,
  partnerId: told.partner,
  title: 'A partner will not ship all that was ordered.',
  evidence: { code: told.code, short: evidenceOf(told.lines), ordered: evidenceOf(target.lines) },
})

const strangeCase = (told: ReportedShortage): NewCase => ({
  kind: 'unmatched_shipment',
  subjectId: `${told.partner} short ${told.fulfillment_id}`,
  partnerId: told.partner,
  title: 'A partner tells of a shortage in what it does not have.',
  evidence: { dispatch_key: told.dispatchKey, short: evidenceOf(told.lines) },
})

const evidenceOf = (
  lines: readonly { readonly line_id: string; readonly sku: string; readonly qty: number }[],
) => lines.map(({ line_id, sku, qty }) => ({ line_id, sku, qty }))
