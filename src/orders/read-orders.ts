import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { readLines, rowRefusal } from '#platform/files/index.ts'
import { parseStrictJson } from '#platform/webhooks/index.ts'
import { checkOrderSize } from '#wire/index.ts'
import { orderInput } from './order-input.ts'
import type { OrderInput } from './order-input.ts'
import { contentSha256 } from './place/place-request.ts'

/** An order of a file and the line it stands on. It always has an `order_id`: imports are known by it. */
export type OrderFileRow = {
  readonly line: number
  readonly reference: string
  readonly input: OrderInput
}

const fileRow = orderInput.extend({
  order_id: orderInput.shape.order_id.nonoptional('an order of a file needs its own id'),
  country_name: z.string().max(100).nullable().optional(),
  goods_minor: z.int().min(0).optional(),
})

/**
 * The orders of an NDJSON file, plain or gzip, one a line; empty lines are passed over. A bad line
 * is refused with its number and field (`row_invalid`, `order_too_large`) and the next one follows. `goods_minor`, where
 * given, must be the sum over the lines. Other content under an `order_id` names both lines.
 */
export async function* readOrders(path: string): AsyncGenerator<Outcome<OrderFileRow>> {
  const seen = new Map<string, { readonly line: number; readonly content: string }>()
  for await (const read of readLines(path)) {
    if (!read.ok) {
      yield read
      continue
    }
    const { line, text } = read.value
    if (text.trim() === '') continue
    const row = toRow(line, text)
    if (!row.ok) {
      yield row
      continue
    }
    const { reference, input } = row.value
    const content = contentSha256(input).toString('base64')
    const first = seen.get(reference)
    if (first && first.content !== content) {
      yield refuse(
        'row_invalid',
        `Order ${reference} stands in line ${first.line} with other content than in line ${line}.`,
        { line, field: 'order_id' },
      )
      continue
    }
    if (!first) seen.set(reference, { line, content })
    yield row
  }
}

function toRow(line: number, text: string): Outcome<OrderFileRow> {
  const json = parseStrictJson(Buffer.from(text))
  if (!json.ok) {
    return refuse('row_invalid', json.refusal.detail.replace('The body', 'The line'), { line })
  }
  const parsed = fileRow.safeParse(json.value)
  if (!parsed.success) return rowRefusal(line, parsed.error)
  const { country_name: _, goods_minor: goods, ...input } = parsed.data
  const size = checkOrderSize(input.lines)
  if (!size.ok) return { ok: false, refusal: { ...size.refusal, line } }
  const sum = input.lines.reduce((total, one) => total + one.qty * (one.unit_price_minor ?? 0), 0)
  if (goods !== undefined && goods !== sum) {
    return refuse('row_invalid', `goods_minor is ${goods}, but the lines sum up to ${sum}.`, {
      line,
      field: 'goods_minor',
    })
  }
  return accept({ line, reference: input.order_id, input })
}
