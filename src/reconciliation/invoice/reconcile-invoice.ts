import { accept, bytesEqual, canonicalJson, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { openCases, resolveCasesAbout } from '#cases/index.ts'
import type { NewCase } from '#cases/index.ts'
import { appendAudit, appendEvents, change, many, transact } from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import { judgeLine } from './judge-invoice.ts'
import type { JudgedLine } from './judge-invoice.ts'
import {
  insertLines,
  lockBilling,
  resolveOrders,
  selectJudged,
  selectKnownLines,
  selectShipped,
  selectShippedOrders,
} from './invoice-statements.ts'
import type { InvoiceFileLine } from './read-invoice.ts'
import { unbilledCases } from './unbilled.ts'
import type { Unbilled } from './unbilled.ts'

/** A judged line of a bill. Money in minor units. */
export type InvoiceLine = RowOf<typeof selectJudged.row>

/** A bill against our books: `known` lines were judged before, as they stand in `lines`. */
export type InvoiceMatch = {
  readonly recorded: number
  readonly known: number
  readonly lines: readonly InvoiceLine[]
  /** Shipped by the partner and in no bill so far. */
  readonly unbilled: readonly Unbilled[]
}

/** A bill to judge. `shippedUpto`: everything shipped until then should be billed by now. */
export type InvoiceWish = {
  readonly lines: readonly InvoiceFileLine[]
  readonly actor: string
  readonly shippedUpto?: Date | undefined
}

type Judged = {
  readonly line: InvoiceFileLine
  readonly orderId: string
  readonly judged: JudgedLine
}

/**
 * The three-way match of order, dispatch and bill: each line is judged once, by (partner, invoice, line),
 * against the units that the partner was given and has shipped; each difference is a case with its
 * money. All of a file or nothing. Refused: `partner_unknown`, `invoice_conflict`.
 */
export async function reconcileInvoice(
  { database, merchant }: Context,
  { lines, actor, shippedUpto }: InvoiceWish,
): Promise<Outcome<InvoiceMatch>> {
  const partners = [...new Set(lines.map((one) => one.partner))].toSorted()
  const invoices = [...new Set(lines.map((one) => one.invoice))]
  return transact(database, async (tx) => {
    const locked = await many(tx, lockBilling, { merchant, partners })
    const known = new Set(locked.map((row) => row.partner_id))
    const stranger = lines.find((one) => !known.has(one.partner))
    if (stranger) {
      return refuse('partner_unknown', `No partner ${stranger.partner}.`, {
        line: stranger.fileLine,
      })
    }
    const before = await many(tx, selectKnownLines, { merchant, partners, invoices })
    const contents = new Map(before.map((row) => [identity(row), row.content_sha256]))
    const changed = lines.find((one) => isOther(one, contents.get(identityOf(one))))
    if (changed) {
      const detail = `Line ${changed.line} of ${changed.invoice} was judged before with other content.`
      return refuse('invoice_conflict', detail, { line: changed.fileLine })
    }
    const fresh = lines.filter((one) => !contents.has(identityOf(one)))
    const { judged, orders } = await judgeAll(tx, merchant, partners, fresh)
    await write(tx, merchant, judged, actor)
    const late = shippedUpto
      ? await many(tx, selectShippedOrders, { merchant, partners, upto: shippedUpto })
      : []
    const looked = [...new Set([...orders, ...late.map((row) => row.order_id)])]
    const shipped = await many(tx, selectShipped, { merchant, partners, orders: looked })
    const { cases, unbilled, billed } = unbilledCases(
      shipped,
      judged.map((one) => one.line),
    )
    await openAll(tx, merchant, actor, [...judged.flatMap(caseOf), ...cases])
    const outcome = 'A bill has come for what was shipped.'
    await resolveCasesAbout(tx, merchant, {
      kind: 'invoice_difference',
      subjects: billed,
      actor,
      outcome,
    })
    const all = await many(tx, selectJudged, { merchant, partners, invoices })
    if (judged.length > 0) await tell(tx, merchant, { actor, partners, invoices, judged })
    return accept({
      recorded: fresh.length,
      known: lines.length - fresh.length,
      lines: all,
      unbilled,
    })
  })
}

const identityOf = (one: InvoiceFileLine): string => `${one.partner}\n${one.invoice}\n${one.line}`
const identity = (row: { partner_id: string; invoice_id: string; line_no: number }): string =>
  `${row.partner_id}\n${row.invoice_id}\n${row.line_no}`
const isOther = (one: InvoiceFileLine, content: Buffer | undefined): boolean =>
  content !== undefined && !bytesEqual(content, contentOf(one))

async function judgeAll(
  tx: Transaction,
  merchant: string,
  partners: readonly string[],
  lines: readonly InvoiceFileLine[],
): Promise<{ readonly judged: readonly Judged[]; readonly orders: readonly string[] }> {
  const refs = [...new Set(lines.map((one) => one.reference))]
  const found = await many(tx, resolveOrders, { merchant, refs })
  const orderOf = new Map(found.map((row) => [row.ref, row.order_id]))
  const orders = [...new Set(orderOf.values())]
  const rows = await many(tx, selectShipped, { merchant, partners, orders })
  const shipped = new Map(
    rows.map((row) => [
      `${row.partner_id}\n${row.order_id}\n${row.sku}`,
      { units: row.units, matched: row.matched },
    ]),
  )
  const judged = lines.map((line): Judged => {
    const orderId = orderOf.get(line.reference) ?? ''
    const own = shipped.get(`${line.partner}\n${orderId}\n${line.sku}`)
    return { line, orderId, judged: judgeLine(line, own) }
  })
  return { judged, orders }
}

async function write(
  tx: Transaction,
  merchant: string,
  judged: readonly Judged[],
  actor: string,
): Promise<void> {
  if (judged.length === 0) return
  await change(tx, insertLines, {
    merchant,
    actor,
    partners: judged.map((one) => one.line.partner),
    invoices: judged.map((one) => one.line.invoice),
    lines: judged.map((one) => one.line.line),
    contents: judged.map((one) => contentOf(one.line)),
    refs: judged.map((one) => one.line.reference),
    orders: judged.map((one) => one.orderId),
    skus: judged.map((one) => one.line.sku),
    units: judged.map((one) => one.line.units),
    amounts: judged.map((one) => one.line.amountMinor),
    currencies: judged.map((one) => one.line.currency),
    verdicts: judged.map((one) => one.judged.verdict),
    matched: judged.map((one) => one.judged.matchedUnits),
    disputed: judged.map((one) => one.judged.disputedMinor),
  })
}

const TITLES = {
  over_billed: 'bills more units than it shipped',
  billed_twice: 'bills units that another bill has had',
  billed_not_shipped: 'bills what our books do not show as shipped by it',
} as const

function caseOf({ line, orderId, judged }: Judged): readonly NewCase[] {
  const { verdict, matchedUnits, disputedMinor } = judged
  if (verdict === 'matched') return []
  const { partner, invoice, sku, units, amountMinor, reference, currency } = line
  return [
    {
      kind: 'invoice_difference',
      subjectId: `${partner} ${invoice} ${line.line}`,
      partnerId: partner,
      ...(orderId === '' ? {} : { orderId }),
      title: `${partner} ${TITLES[verdict]}: ${units - matchedUnits} of ${sku}.`,
      money: { amount: disputedMinor, currency },
      evidence: {
        verdict,
        reference,
        sku,
        units,
        matched_units: matchedUnits,
        amount_minor: amountMinor,
      },
      dueHours: 120,
    },
  ]
}

async function openAll(
  tx: Transaction,
  merchant: string,
  actor: string,
  cases: readonly NewCase[],
): Promise<void> {
  for (let start = 0; start < cases.length; start += 1_000) {
    await openCases(tx, merchant, actor, cases.slice(start, start + 1_000))
  }
}

async function tell(
  tx: Transaction,
  merchant: string,
  told: {
    readonly actor: string
    readonly partners: readonly string[]
    readonly invoices: readonly string[]
    readonly judged: readonly Judged[]
  },
): Promise<void> {
  const disputed = told.judged.filter((one) => one.judged.verdict !== 'matched')
  const after = {
    partners: told.partners,
    invoices: told.invoices.slice(0, 20),
    lines: told.judged.length,
    disputed: disputed.length,
    disputed_minor: disputed.reduce((sum, one) => sum + one.judged.disputedMinor, 0),
  }
  const subjectId = told.invoices[0] ?? ''
  const { actor } = told
  await appendAudit(tx, merchant, { actor, action: 'invoice.reconcile', subjectId, after })
  await appendEvents(tx, merchant, [{ subjectId, kind: 'invoice.reconciled', data: after }])
}

// Where it stands in a file is no part of a bill.
const contentOf = (line: InvoiceFileLine): Buffer => sha256(canonicalJson({ ...line, fileLine: 0 }))
