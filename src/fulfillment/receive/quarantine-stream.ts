import { newId, sha256 } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import { appendEvents, change, many, statement, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'

const keep = statement({
  name: 'fulfillment.keep_quarantine',
  params: {
    merchant: 'text',
    id: 'text',
    code: 'text',
    field: 'text',
    detail: 'text',
    bytes: 'bytea',
    digest: 'bytea',
    rows_max: 'int4',
  },
  row: { times: 'int4' },
  text: `
    insert into fulfillment.quarantine as q (merchant_id, id, code, field, detail, bytes, digest)
    select $merchant, $id, $code, $field, $detail, $bytes, $digest
     where exists (select from fulfillment.quarantine
                    where merchant_id = $merchant and code = $code and field = $field
                      and digest = $digest)
        or (select count(*) from fulfillment.quarantine
             where merchant_id = $merchant and code = $code and field = $field
               and digest is not null) < $rows_max
    on conflict (merchant_id, code, field, digest) do update
       set times = least(q.times, 2147483646) + 1, last_seen_at = now()
    returning times`,
})

const countDropped = statement({
  name: 'fulfillment.count_dropped_quarantine',
  params: { merchant: 'text', code: 'text', field: 'text' },
  text: `
    insert into fulfillment.quarantine_dropped as d (merchant_id, code, field)
    values ($merchant, $code, $field)
    on conflict (merchant_id, code, field) do update set times = d.times + 1, last_at = now()`,
})

/** Bytes of a refused stream that are kept: enough to see what was wrong, never enough to fill a disk. */
export const QUARANTINE_BYTES_MAX = 1024 * 1024
/** Different streams that are kept of one code and field; more are counted. */
export const QUARANTINE_ROWS_MAX = 16

/** The payloads of a refused stream in their order, and those of them that hold its records. */
export type RefusedStream = {
  readonly payloads: readonly Uint8Array[]
  readonly records: readonly Uint8Array[]
}

/**
 * Keeps a refused stream, its payloads in order and cut at 1 MiB. The same records refused again for the
 * same reason are counted, not kept: the batch id, which each repeat makes anew, is no part of the content.
 */
export async function quarantineStream(
  context: Context,
  refusal: Refusal,
  { payloads, records }: RefusedStream,
): Promise<void> {
  const { merchant } = context
  const id = newId('hov')
  const bytes = Buffer.concat(payloads).subarray(0, QUARANTINE_BYTES_MAX)
  const { code, detail } = refusal
  const field = (refusal.field ?? '').replaceAll(/\d+/g, '').slice(0, 200)
  const digest = sha256(Buffer.concat(records.map((payload) => sha256(payload))))
  const isNew = await withTransaction(context.database, async (tx) => {
    const rows_max = QUARANTINE_ROWS_MAX
    const [kept] = await many(tx, keep, {
      merchant,
      id,
      code,
      field,
      detail,
      bytes,
      digest,
      rows_max,
    })
    if (!kept) await change(tx, countDropped, { merchant, code, field })
    if (kept?.times !== 1) return false
    const data = { code, detail, bytes: bytes.length }
    await appendEvents(tx, merchant, [{ subjectId: id, kind: 'handover.refused', data }])
    return true
  })
  const told = isNew ? { quarantine_id: id, code } : { code, field }
  context.log.error(
    told,
    isNew ? 'a hand-over was refused and its bytes kept' : 'a hand-over was refused again',
  )
}
