import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route, timeText } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { reconcileInvoice } from './reconcile-invoice.ts'

const name = z.string().regex(/^[\x21-\x7e]{1,64}$/, 'printable ASCII without spaces')
const invoiceBody = z.strictObject({
  invoice_id: name,
  partner: name,
  currency: z.string().regex(/^[A-Z]{3}$/, 'ISO 4217'),
  shipped_upto: timeText.optional(),
  lines: z
    .array(
      z.strictObject({
        line: z.int().min(1).max(1_000_000),
        /** A fulfillment id, an order id or the merchant reference. */
        reference: name,
        sku: name,
        units: z.int().min(1).max(10_000_000),
        amount_minor: z.int().min(0).max(1_000_000_000_000),
      }),
    )
    .min(1)
    .max(10_000)
    .refine(
      (lines) => new Set(lines.map((one) => one.line)).size === lines.length,
      'a line stands once',
    ),
})
const BODY_MAX_BYTES = 4 * 1024 * 1024

/** Bills of partners against orders and shipments. */
export function invoiceRoutes(context: Context): readonly AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/admin/invoices',
      summary: 'Match a bill of a partner with orders and shipments; each line is judged once',
      access: { kind: 'scope', scope: 'fulfillment:operate' },
      audit: { action: 'invoice.reconcile' },
      body: invoiceBody,
      bodyMaxBytes: BODY_MAX_BYTES,
      handle: async ({ body, caller }) => {
        const { invoice_id: invoice, partner, currency } = body
        const matched = await reconcileInvoice(context, {
          actor: caller.actor,
          shippedUpto: body.shipped_upto === undefined ? undefined : new Date(body.shipped_upto),
          lines: body.lines.map(({ line, reference, sku, units, amount_minor: amountMinor }) => ({
            fileLine: line,
            invoice,
            partner,
            currency,
            line,
            reference,
            sku,
            units,
            amountMinor,
          })),
        })
        if (!matched.ok) return matched
        const { recorded, known, lines, unbilled } = matched.value
        const headers = recorded > 0 ? {} : { 'idempotent-replayed': 'true' }
        return accept({
          status: recorded > 0 ? 201 : 200,
          body: { recorded, known, lines, unbilled },
          headers,
        })
      },
    }),
  ]
}
