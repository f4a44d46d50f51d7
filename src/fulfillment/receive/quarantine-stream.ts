import { newId } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import { appendEvents, change, statement, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'

const insertQuarantine = statement({
  name: 'fulfillment.insert_quarantine',
  params: { merchant: 'text', id: 'text', code: 'text', detail: 'text', bytes: 'bytea' },
  text: `
    insert into fulfillment.quarantine (merchant_id, id, code, detail, bytes)
    values ($merchant, $id, $code, $detail, $bytes)`,
})

/** Bytes of a refused stream that are kept: enough to see what was wrong, never enough to fill a disk. */
export const QUARANTINE_BYTES_MAX = 4 * 1024 * 1024

/** Keeps a refused stream, its payloads in order and cut at 4 MiB, and tells of it. */
export async function quarantineStream(
  context: Context,
  refusal: Refusal,
  payloads: readonly Uint8Array[],
): Promise<void> {
  const id = newId('hov')
  const bytes = Buffer.concat(payloads).subarray(0, QUARANTINE_BYTES_MAX)
  const { code, detail } = refusal
  await withTransaction(context.database, async (tx) => {
    const { merchant } = context
    await change(tx, insertQuarantine, { merchant, id, code, detail, bytes })
    const data = { code, detail, bytes: bytes.length }
    await appendEvents(tx, merchant, [{ subjectId: id, kind: 'handover.refused', data }])
  })
  context.log.error({ quarantine_id: id, code }, 'a hand-over was refused and its bytes kept')
}
