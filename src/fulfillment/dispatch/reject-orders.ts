import { openCases } from '#cases/index.ts'
import type { NewCase } from '#cases/index.ts'
import { change, many, statement } from '#platform/index.ts'
import type { NewEvent, RowOf, Transaction } from '#platform/index.ts'
import { lineColumn, MAY_REOPEN } from '../fulfillment-statements.ts'
import { insertOpenLines } from '../ship/open-lines.ts'
import type { RejectedOrder } from './classify-response.ts'

const selectRejected = statement({
  name: 'fulfillment.select_rejected_orders',
  params: { merchant: 'text', ids: 'text[]' },
  row: {
    id: 'text',
    order_id: 'text',
    partner_id: 'text',
    generation: 'int4',
    dispatch_id: 'text?',
    lines: lineColumn,
    rejections: 'int4',
  },
  text: `
    select f.id, f.order_id, f.partner_id, f.generation, f.dispatch_id, f.lines,
           (select count(*)::int from fulfillment.line_claim l
             where l.merchant_id = f.merchant_id and l.fulfillment_id = f.id
               and l.generation = f.generation and l.state = 'rejected') as rejections
      from fulfillment.fulfillment_order f
     where f.merchant_id = $merchant and f.id = any($ids) and f.state = 'rejected'
     order by f.id`,
})

// Its line is free by now: the next seal claims it under another dispatch and the same order key. What was
// asked back meanwhile stays: the wish is answered first, or a person decides.
const reopenLater = statement({
  name: 'fulfillment.reopen_retriable_orders',
  params: { merchant: 'text', ids: 'text[]', delays: 'int4[]' },
  row: { id: 'text' },
  text: `
    with d as materialized (
      select $merchant as merchant_id, u.id, u.delay
        from (select unnest($ids) as id, unnest($delays) as delay) as u
    )
    update fulfillment.fulfillment_order f
       set state = 'open', updated_at = now(),
           effective_at = greatest(f.effective_at, now() + make_interval(mins => d.delay))
      from d
     where f.merchant_id = d.merchant_id and f.id = d.id and f.state = 'rejected'
       and ${MAY_REOPEN}
       and not exists (select from fulfillment.recall_line r
                        where r.merchant_id = f.merchant_id and r.dispatch_id = f.dispatch_id
                          and r.fulfillment_id = f.id)
    returning f.id`,
})

const markResent = statement({
  name: 'fulfillment.mark_lines_resent',
  params: { merchant: 'text', ids: 'text[]' },
  text: `
    update fulfillment.open_line
       set state = 'resent', decided_at = now(), decided_by = 'dispatch'
     where merchant_id = $merchant and fulfillment_id = any($ids) and cause = 'rejected'
       and state = 'open'`,
})

type Rejected = RowOf<typeof selectRejected.row>

/** After so many refusals of one order a person decides, whatever the partner says. */
const REJECTIONS_MAX = 3
const RETRY_MIN = 10

/**
 * Takes back what a partner refused, line by line: the units are open again, and no line of them is live.
 * An order that the partner may take later goes to it again by itself, ever later and at most twice; any
 * other waits for a person with a case. Its stock stays reserved.
 */
export async function returnRejected(
  tx: Transaction,
  merchant: string,
  refused: readonly RejectedOrder[],
): Promise<readonly NewEvent[]> {
  if (refused.length === 0) return []
  const answers = new Map(refused.map((one) => [one.fulfillmentId, one]))
  const rejected = await many(tx, selectRejected, { merchant, ids: [...answers.keys()] })
  if (rejected.length === 0) return []
  const lines = rejected.flatMap((one) => one.lines.map((line) => ({ one, line })))
  await many(tx, insertOpenLines, {
    merchant,
    cause: 'rejected',
    fulfillments: lines.map(({ one }) => one.id),
    generations: lines.map(({ one }) => one.generation),
    dispatches: lines.map(({ one }) => one.dispatch_id ?? ''),
    lines: lines.map(({ line }) => line.line_id),
    skus: lines.map(({ line }) => line.sku),
    units: lines.map(({ line }) => line.qty),
    codes: lines.map(({ one }) => answers.get(one.id)?.code ?? 'rejected'),
  })
  const isLater = (one: Rejected): boolean =>
    answers.get(one.id)?.isRetriable === true && one.rejections < REJECTIONS_MAX
  const later = rejected.filter(isLater)
  const reopened = new Set<string>()
  if (later.length > 0) {
    const ids = later.map((one) => one.id)
    const delays = later.map((one) => one.rejections * RETRY_MIN)
    for (const { id } of await many(tx, reopenLater, { merchant, ids, delays })) reopened.add(id)
    await change(tx, markResent, { merchant, ids: [...reopened] })
  }
  const forPeople = rejected.filter((one) => !reopened.has(one.id))
  await openCases(
    tx,
    merchant,
    'fulfillment',
    forPeople.map((one) => caseOf(one, answers.get(one.id)?.code ?? 'rejected')),
  )
  const resent = later.filter((one) => reopened.has(one.id))
  return resent.map((one) => ({
    subjectId: one.id,
    kind: 'fulfillment.resent',
    data: { order_id: one.order_id, actor: 'dispatch', in_minutes: one.rejections * RETRY_MIN },
  }))
}

const caseOf = (one: Rejected, code: string): NewCase => ({
  kind: 'partial_rejection',
  subjectId: one.id,
  orderId: one.order_id,
  partnerId: one.partner_id,
  title: 'A partner refused an order of a dispatch.',
  evidence: {
    code,
    dispatch: one.dispatch_id,
    lines: one.lines.map(({ line_id, sku, qty }) => ({ line_id, sku, qty })),
  },
})
