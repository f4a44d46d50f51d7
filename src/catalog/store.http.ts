import { z } from 'zod'
import { accept, base32, refuse, sha256 } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute, Context, RouteReply } from '#platform/index.ts'
import { cursorQuery, toPage } from '#platform/http/index.ts'
import { listProducts } from './list-products.ts'
import type { Product } from './list-products.ts'
import { textCache } from './text-cache.ts'

/** What inventory says of a SKU: free units over all locations, and whether it may be sold. */
export type SkuAvailability = {
  readonly sku: string
  readonly available: number
  readonly isSellable: boolean
}
/** Availability of some SKUs; one without stock is left out. */
export type ReadAvailability = (skus: readonly string[]) => Promise<readonly SkuAvailability[]>

/** One product for sale with its free units. */
export type ProductOnSale = { readonly product: Product; readonly available: number }
/** What the shop asks of stock, which lives above the catalog: of a page of SKUs, and of one product. */
export type StockReads = {
  readonly availability: ReadAvailability
  readonly onSale: (sku: string) => Promise<ProductOnSale | undefined>
}

type Rendered = { readonly text: string; readonly etag: string }

const FRESH_MS = 1_000
const ENTRIES_MAX = 500
const Q_MAX_CHARS = 100

/**
 * `/store/products`: prices and stock at most a second old, from a bounded cache in this process.
 * Whether a unit is really free is decided at the order, by the statement that takes it.
 */
export function productStoreRoutes(
  context: Pick<Context, 'database' | 'merchant' | 'clock'>,
  stock: StockReads,
): readonly AnyRoute[] {
  const cache = textCache<Rendered | undefined>({
    clock: context.clock,
    freshMs: FRESH_MS,
    entriesMax: ENTRIES_MAX,
  })
  return [listRoute(context, stock.availability, cache), productRoute(stock, cache)]
}

type Cache = ReturnType<typeof textCache<Rendered | undefined>>
type Reading = Pick<Context, 'database' | 'merchant'>

const listRoute = (context: Reading, availability: ReadAvailability, cache: Cache): AnyRoute =>
  route({
    method: 'GET',
    path: '/store/products',
    summary: 'Products for sale. `q` finds words of SKU and title by their beginning.',
    access: { kind: 'public' },
    audit: { none: 'read' },
    query: cursorQuery.extend({ q: z.string().max(Q_MAX_CHARS).optional() }),
    handle: async ({ query: { q, cursor, limit }, headers }) => {
      const rendered = await cache.get(JSON.stringify([limit, cursor, q]), async () => {
        const { database, merchant } = context
        const page = { q, after: cursor ?? '', limit: limit + 1 }
        const products = await listProducts(database, merchant, page)
        const stock = await stockOf(availability, products)
        return render(
          toPage(
            products,
            limit,
            (product) => product.sku,
            (product) => show(product, stock.get(product.sku) ?? 0),
          ),
        )
      })
      return rendered ? accept(reply(rendered, headers['if-none-match'])) : unknownSku()
    },
  })

const productRoute = ({ onSale }: StockReads, cache: Cache): AnyRoute =>
  route({
    method: 'GET',
    path: '/store/products/:sku',
    summary: 'One product for sale.',
    access: { kind: 'public' },
    audit: { none: 'read' },
    params: z.object({ sku: z.string().min(1).max(64) }),
    handle: async ({ params: { sku }, headers }) => {
      const rendered = await cache.get(`one ${sku}`, async () => {
        const found = await onSale(sku)
        return found && render(show(found.product, found.available))
      })
      return rendered ? accept(reply(rendered, headers['if-none-match'])) : unknownSku()
    },
  })

const unknownSku = () => refuse('sku_unknown', 'No product of that SKU is for sale.')

async function stockOf(
  availability: ReadAvailability,
  products: readonly Product[],
): Promise<ReadonlyMap<string, number>> {
  if (products.length === 0) return new Map()
  const rows = await availability(products.map((product) => product.sku))
  // A SKU that is withdrawn from sale is shown with nothing to buy; the shop stays open.
  return new Map(rows.map((row) => [row.sku, row.isSellable ? row.available : 0]))
}

function show(product: Product, available: number) {
  const { sku, title, priceMinor, currency, group, options } = product
  return {
    sku,
    title,
    price: { amount: priceMinor, currency },
    available,
    group,
    options,
  }
}

function render(body: unknown): Rendered {
  const text = JSON.stringify(body)
  return { text, etag: `"${base32(sha256(text).subarray(0, 10))}"` }
}

function reply(rendered: Rendered, ifNoneMatch: string | undefined): RouteReply {
  const headers = { etag: rendered.etag, 'cache-control': 'public, max-age=1' }
  if (ifNoneMatch === rendered.etag) return { status: 304, headers }
  const contentType = 'application/json; charset=utf-8'
  return { status: 200, body: rendered.text, contentType, headers }
}
