import { z } from 'zod'
import { accept, base32, refuse, sha256 } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute, Context, RouteReply } from '#platform/index.ts'
import { cursorQuery, JSON_TYPE, toPage } from '#platform/http/index.ts'
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
/** At most `limit` SKUs after the SKU `after`, in their order. */
export type PageOfSkus = { readonly after: string; readonly limit: number }
/** What the shop asks of stock, which lives above the catalog: of found SKUs, of one product, of a page. */
export type StockReads = {
  readonly availability: ReadAvailability
  readonly onSale: (sku: string) => Promise<ProductOnSale | undefined>
  readonly pageOnSale: (page: PageOfSkus) => Promise<readonly ProductOnSale[]>
}

/** What is remembered: whole replies, so that each answer is the same object and nothing is made anew. */
type Rendered = {
  readonly etag: string
  readonly whole: RouteReply
  readonly unchanged: RouteReply
}

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
  const cache = () =>
    textCache<Rendered | undefined>({
      clock: context.clock,
      freshMs: FRESH_MS,
      entriesMax: ENTRIES_MAX,
    })
  return [listRoute(context, stock, cache()), productRoute(stock, cache())]
}

type Cache = ReturnType<typeof textCache<Rendered | undefined>>
type Reading = Pick<Context, 'database' | 'merchant'>

const listRoute = (context: Reading, stock: StockReads, cache: Cache): AnyRoute =>
  route({
    method: 'GET',
    path: '/store/products',
    summary: 'Products for sale. `q` finds words of SKU and title by their beginning.',
    access: { kind: 'public' },
    audit: { none: 'read' },
    // Links to a shop gather parameters of others: those are passed over.
    query: z.object({ ...cursorQuery.shape, q: z.string().max(Q_MAX_CHARS).optional() }),
    recall: recallFrom(cache),
    handle: async ({ url, query: { q, cursor = '', limit }, headers }) => {
      const rendered = await cache.get(url, async () => {
        const page = { after: cursor, limit: limit + 1 }
        const rows =
          q === undefined ? await stock.pageOnSale(page) : await search(context, stock, q, page)
        return render(toPage(rows, limit, ({ product }) => product.sku, show))
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
    recall: recallFrom(cache),
    handle: async ({ url, params: { sku }, headers }) => {
      const rendered = await cache.get(url, async () => {
        const found = await onSale(sku)
        return found && render(show(found))
      })
      return rendered ? accept(reply(rendered, headers['if-none-match'])) : unknownSku()
    },
  })

function recallFrom(cache: Cache) {
  return (url: string, headers: { readonly 'if-none-match'?: string | undefined }) => {
    const rendered = cache.peek(url)
    return rendered && reply(rendered, headers['if-none-match'])
  }
}

const unknownSku = () => refuse('sku_unknown', 'No product of that SKU is for sale.')

async function search(
  { database, merchant }: Reading,
  { availability }: StockReads,
  q: string,
  page: PageOfSkus,
): Promise<readonly ProductOnSale[]> {
  const products = await listProducts(database, merchant, { q, ...page })
  if (products.length === 0) return []
  const rows = await availability(products.map((product) => product.sku))
  // A SKU that is withdrawn from sale is shown with nothing to buy; the shop stays open.
  const units = new Map(rows.map((row) => [row.sku, row.isSellable ? row.available : 0]))
  return products.map((product) => ({ product, available: units.get(product.sku) ?? 0 }))
}

function show({ product, available }: ProductOnSale) {
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
  const etag = `"${base32(sha256(text).subarray(0, 10))}"`
  const headers = { etag, 'cache-control': 'public, max-age=1' }
  return {
    etag,
    whole: { status: 200, body: text, contentType: JSON_TYPE, headers },
    unchanged: { status: 304, headers },
  }
}

function reply({ etag, whole, unchanged }: Rendered, ifNoneMatch: string | undefined): RouteReply {
  return ifNoneMatch === etag ? unchanged : whole
}
