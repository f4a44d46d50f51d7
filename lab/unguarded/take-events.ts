import { once } from 'node:events'
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { z } from 'zod'
import { invariant } from '#kernel/index.ts'
import type { Shutdown } from '#platform/index.ts'
import type { Books } from './open-books.ts'

const partnerEvent = z.object({
  type: z.string(),
  shipments: z
    .array(z.object({ lines: z.array(z.object({ sku: z.string(), qty: z.number() })) }))
    .default([]),
})

/**
 * Takes the partners' events over HTTP, each once: what shipped leaves the stock book, however little
 * is in it. Returns the address that partners call.
 */
export async function takeEvents(books: Books, shutdown: Shutdown): Promise<string> {
  const server = createServer((request, response) => {
    json(request)
      .then((body) => takeEvent(books, String(request.headers['webhook-id']), body))
      .then(
        () => response.writeHead(204).end(),
        () => response.writeHead(500).end(),
      )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  shutdown.onShutdown('partner events', () => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  invariant(address !== null && typeof address === 'object', 'a TCP server has a port')
  return `http://127.0.0.1:${address.port}`
}

async function takeEvent(books: Books, id: string, body: unknown): Promise<void> {
  const { type, shipments } = partnerEvent.parse(body)
  if (type !== 'shipment.shipped') return
  const units = new Map<string, number>()
  for (const { sku, qty } of shipments.flatMap((one) => one.lines)) {
    units.set(sku, (units.get(sku) ?? 0) + qty)
  }
  // Rows are updated in one order, so that the three partners' events do not lock each other out.
  const skus = [...units.keys()].toSorted()
  await books.pool.query(ISSUE, [id, skus, skus.map((sku) => units.get(sku))])
}

const ISSUE = `
  with event as (
    insert into lab.event (id) values ($1) on conflict do nothing returning id
  ), locked as materialized (
    select sku from lab.stock where sku = any($2::text[]) order by sku for update
  )
  update lab.stock s set on_hand = s.on_hand - u.qty
    from unnest($2::text[], $3::int[]) as u(sku, qty), event
   where s.sku = u.sku and s.sku in (select sku from locked)`
