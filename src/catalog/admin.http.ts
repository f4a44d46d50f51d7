import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { appendAudit, route, withTransaction } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { upsertProducts } from './upsert-products.ts'

const productInput = z.strictObject({
  sku: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[\x21-\x7e]+$/, 'a SKU is printable ASCII without spaces'),
  title: z.string().trim().min(1).max(500),
  price: z.strictObject({
    amount: z.int().min(0).max(1_000_000_000),
    currency: z.string().regex(/^[A-Z]{3}$/, 'ISO 4217'),
  }),
  is_active: z.boolean().optional(),
  group: z.string().min(1).max(64).optional(),
  options: z.record(z.string().min(1).max(64), z.string().max(200)).optional(),
})

const productsInput = z.strictObject({
  products: z
    .array(productInput)
    .min(1)
    .max(1_000)
    .superRefine((products, check) => {
      const seen = new Set<string>()
      for (const [index, { sku }] of products.entries()) {
        if (seen.has(sku)) {
          check.addIssue({ code: 'custom', path: [index, 'sku'], message: 'stands twice' })
        }
        seen.add(sku)
      }
    }),
})

/** `POST /admin/products`. Its own content makes it idempotent: the same rows again change nothing. */
export function productAdminRoutes({ database, merchant }: Context): readonly AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/admin/products',
      summary: 'Writes up to 1000 products by SKU. What is absent and optional stays as it is.',
      access: { kind: 'scope', scope: 'catalog:write' },
      audit: { action: 'catalog.products_written' },
      body: productsInput,
      bodyMaxBytes: 2 * 1024 * 1024,
      handle: async ({ body, caller }) => {
        const rows = body.products.map(({ price, is_active: isActive, ...product }) => ({
          ...product,
          isActive,
          priceMinor: price.amount,
          currency: price.currency,
        }))
        const counts = await withTransaction(database, async (tx) => {
          const written = await upsertProducts(tx, merchant, rows)
          await appendAudit(tx, merchant, {
            actor: caller.actor,
            action: 'catalog.products_written',
            subjectId: 'catalog',
            after: written,
          })
          return written
        })
        return accept({ status: 200, body: counts })
      },
    }),
  ]
}
