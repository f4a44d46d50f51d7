import { newId } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { change, jsonOf, many, statement, withTransaction } from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import { openAllocations } from '#inventory/index.ts'
import { checkReceipt, sealHandOver } from '#wire/index.ts'
import type { HandOverRecord, HandOverResponse, SealedHandOver } from '#wire/index.ts'
import { thaw } from '../decided-allocations.ts'
import type { DecidedAllocation, FrozenAllocations } from '../decided-allocations.ts'
import type { OrderLine } from '../order-line.ts'

/** Sends a sealed batch and returns the receipt, or the refusal of the other end; faults throw. */
export type SendHandOver = (sealed: SealedHandOver) => Promise<Outcome<HandOverResponse>>

/** What one round did. `refusal` is why a batch came back; its orders stay in the outbox. */
export type HandOverRound = {
  readonly records: number
  readonly refusal?: Refusal
}

/** Records of a batch, by how often they were refused: one bad record is alone at the fourth try. */
const BATCH_RECORDS_MAX = [400, 40, 4, 1] as const

// The lookups are lateral, one by one: on tables without statistics a join compared every row.
const claimOutbox = statement({
  name: 'orders.claim_outbox',
  params: { merchant: 'text', refused_before: 'bool', limit: 'int4' },
  row: {
    order_id: 'text',
    number: 'int4',
    attempts: 'int4',
    order_number: 'text',
    revision: 'int4',
    currency: 'text',
    lines: jsonOf<readonly OrderLine[]>('the receiver computes the order digest again'),
    ship_to: jsonOf<Record<string, string>>('the receiver computes the order digest again'),
    order_digest: 'bytea',
    ship_by: 'timestamptz?',
    decision_id: 'text',
    verdict: 'text',
    reasons: 'text[]',
    decided_by: 'text',
    key_id: 'text',
    approval: 'bytea?',
    effective_ms: 'int8',
    decided_revision: 'int4',
    state: 'text',
    identity: 'text?',
    allocations: jsonOf<FrozenAllocations | null>('the receiver proves them by the certificate'),
  },
  text: `
    with q as materialized (
      select merchant_id, order_id, number, attempts, tried_at from orders.handover_outbox
       where merchant_id = $merchant and not_before <= now() and (attempts > 0) = $refused_before
       order by tried_at nulls first, order_id, number
       limit $limit
         for update skip locked
    )
    select q.order_id, q.number, q.attempts, o.order_number, o.revision, o.currency, o.lines, o.ship_to,
           o.ship_by, d.order_digest, d.id as decision_id, d.verdict, d.reasons, d.decided_by, d.key_id, d.approval,
           (extract(epoch from d.effective_at) * 1000)::int8 as effective_ms,
           d.revision as decided_revision, o.state, o.identity, d.allocations
      from q
     cross join lateral (select * from orders."order"
                          where merchant_id = q.merchant_id and id = q.order_id limit 1) o
     cross join lateral (select * from orders.decision
                          where merchant_id = q.merchant_id and order_id = q.order_id
                            and number = q.number limit 1) d
     order by q.tried_at nulls first, q.order_id, q.number`,
})

const clearHandedOver = statement({
  name: 'orders.clear_handed_over',
  params: { merchant: 'text', orders: 'text[]', numbers: 'int4[]' },
  text: `
    with d as materialized (
      select $merchant as merchant_id, u.order_id, u.number
        from (select unnest($orders) as order_id, unnest($numbers) as number) as u
    )
    delete from orders.handover_outbox q
     using d
     where q.merchant_id = d.merchant_id and q.order_id = d.order_id and q.number = d.number`,
})

const postpone = statement({
  name: 'orders.postpone_hand_over',
  params: {
    merchant: 'text',
    orders: 'text[]',
    numbers: 'int4[]',
    code: 'text',
    delay_ms: 'int4',
    alone_from: 'int4',
  },
  text: `
    with d as materialized (
      select $merchant as merchant_id, u.order_id, u.number
        from (select unnest($orders) as order_id, unnest($numbers) as number) as u
    )
    update orders.handover_outbox q
       set attempts = attempts + 1, last_code = $code, tried_at = clock_timestamp(),
           not_before = now() + make_interval(secs => case
             when attempts < $alone_from then $delay_ms / 1000.0 * (attempts + 1)
             else least(15 * power(2, least(attempts - $alone_from, 10)), 300) end)
      from d
     where q.merchant_id = d.merchant_id and q.order_id = d.order_id and q.number = d.number`,
})

// The call that the transaction waits for ends after 20 s; others may not idle for so long.
const mayTravel = statement({
  name: 'orders.may_travel',
  params: {},
  row: { idle_max: 'text' },
  text: `select set_config('idle_in_transaction_session_timeout', '30s', true) as idle_max`,
})

type Claimed = RowOf<typeof claimOutbox.row>

/**
 * Hands over what waits, one batch. The outbox rows stay locked in an open transaction while the
 * batch travels, so that a crash here frees them at once; the other end knows each decision by its
 * number, so that sending twice changes nothing. What was refused before waits for what never was, and
 * travels in ever smaller batches, the least recently tried first. A record that is refused alone is tried
 * again after 15 s, then after twice as long each time, up to 5 min.
 */
export async function handOverOnce(context: Context, send: SendHandOver): Promise<HandOverRound> {
  const { merchant } = context
  const provenance = await context.provenance()
  return withTransaction(context.database, async (tx) => {
    const [chosen] = await Promise.all([claim(tx, merchant), many(tx, mayTravel, {})])
    const [first] = chosen
    if (!first) return { records: 0 }
    const stale = chosen.filter(
      (row) => row.state !== 'placed' || row.decided_revision !== row.revision,
    )
    const live = chosen.filter((row) => !stale.includes(row))
    if (stale.length > 0) await clear(tx, merchant, stale)
    if (live.length === 0) return { records: stale.length }
    const records = await toRecords(tx, merchant, live)
    const outcome = await travel({ merchant, provenance: provenance.id, records }, send)
    if (outcome.ok) {
      await clear(tx, merchant, live)
      return { records: live.length + stale.length }
    }
    await change(tx, postpone, {
      ...names(live),
      merchant,
      code: outcome.refusal.code,
      delay_ms: 1_000,
      alone_from: BATCH_RECORDS_MAX.length - 1,
    })
    context.log.error(
      { code: outcome.refusal.code, orders: live.length, first_order_id: first.order_id },
      `the hand-over was refused: ${outcome.refusal.detail}`,
    )
    return { records: 0, refusal: outcome.refusal }
  })
}

async function claim(tx: Transaction, merchant: string): Promise<readonly Claimed[]> {
  const [never, once] = BATCH_RECORDS_MAX
  const fresh = await many(tx, claimOutbox, { merchant, refused_before: false, limit: never })
  if (fresh.length > 0) return fresh
  const refused = await many(tx, claimOutbox, { merchant, refused_before: true, limit: once })
  const [first] = refused
  const size = sizeOf(first)
  return refused.filter((row) => sizeOf(row) === size).slice(0, size)
}

const sizeOf = (row: Claimed | undefined): number => BATCH_RECORDS_MAX[row?.attempts ?? 0] ?? 1

async function travel(
  batch: { merchant: string; provenance: string; records: readonly HandOverRecord[] },
  send: SendHandOver,
): Promise<Outcome<void>> {
  const sealed = sealHandOver({ batchId: newId('hov'), ...batch })
  if (!sealed.ok) return sealed
  const receipt = await send(sealed.value)
  if (!receipt.ok) return receipt
  const holds = batch.records.filter((record) => record.verdict !== 'clear').length
  return checkReceipt({ ...sealed.value, holds }, receipt.value)
}

async function clear(tx: Transaction, merchant: string, rows: readonly Claimed[]): Promise<void> {
  await change(tx, clearHandedOver, { merchant, ...names(rows) })
}

function names(rows: readonly Claimed[]): {
  orders: readonly string[]
  numbers: readonly number[]
} {
  return { orders: rows.map((row) => row.order_id), numbers: rows.map((row) => row.number) }
}

/**
 * Records are what was decided, whatever has become of the stock since: a repeat is the same record, also after
 * its goods have left. Decisions of earlier builds kept no allocations and go with those that are open now.
 */
async function toRecords(
  tx: Transaction,
  merchant: string,
  rows: readonly Claimed[],
): Promise<readonly HandOverRecord[]> {
  const unfrozen = rows.flatMap((row) => (row.allocations === null ? [row.order_id] : []))
  const open =
    unfrozen.length > 0 ? await openAllocations(tx, merchant, unfrozen) : new Map<string, never>()
  return rows.map((row) => {
    return toRecord(
      row,
      merchant,
      row.allocations ? thaw(row.allocations) : (open.get(row.order_id) ?? []),
    )
  })
}

function toRecord(
  row: Claimed,
  merchant: string,
  allocations: readonly DecidedAllocation[],
): HandOverRecord {
  const isPriced = row.identity !== null
  return {
    merchant,
    orderId: row.order_id,
    orderNumber: row.order_number,
    revision: row.decided_revision,
    identity: row.identity ?? '',
    currency: row.currency,
    lines: row.lines.map((line) => ({
      line: line.line,
      sku: line.sku,
      qty: line.qty,
      allocations: allocations
        .filter((one) => one.lineNo === line.line)
        .map((one) => ({ locationId: one.locationId, qty: one.qty })),
      ...(isPriced ? { unitPriceMinor: line.unit_price_minor } : {}),
    })),
    shipTo: row.ship_to,
    orderDigest: row.order_digest,
    decisionId: row.decision_id,
    decisionNumber: row.number,
    effectiveAtMs: row.effective_ms,
    shipByMs: row.ship_by?.getTime() ?? null,
    reasons: row.reasons,
    decidedBy: row.decided_by,
    keyId: row.key_id,
    verdict: row.verdict === 'clear' ? 'clear' : row.verdict === 'hold' ? 'hold' : 'unspecified',
    approval: row.approval ?? new Uint8Array(),
  }
}
