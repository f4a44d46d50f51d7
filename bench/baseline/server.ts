// The hand-written baseline: Fastify, `pg`, one transaction per order with a guarded update a line.
import { randomUUID } from 'node:crypto'
import { fastify } from 'fastify'
import { Pool } from 'pg'
import { z } from 'zod'

const environment = z
  .object({ DATABASE_URL: z.string(), POOL: z.coerce.number().default(20) })
  .parse(process.env)
const pool = new Pool({ connectionString: environment.DATABASE_URL, max: environment.POOL })
const prices = new Map<string, number>()
for (const row of (
  await pool.query<{ sku: string; cents: number }>('select sku, cents from product')
).rows) {
  prices.set(row.sku, row.cents)
}

type Line = { sku: string; quantity: number }
type Order = { email: string; address: object; shipping: string; payment: string; lines: Line[] }
class SoldOut extends Error {}

const app = fastify()
const body = {
  type: 'object',
  required: ['email', 'address', 'lines', 'payment', 'shipping'],
  properties: {
    email: { type: 'string' },
    address: { type: 'object' },
    payment: { type: 'string' },
    shipping: { type: 'string' },
    lines: {
      type: 'array',
      minItems: 1,
      maxItems: 100,
      items: {
        type: 'object',
        required: ['sku', 'quantity'],
        properties: { sku: { type: 'string' }, quantity: { type: 'integer', minimum: 1 } },
      },
    },
  },
}

app.post<{ Body: Order }>('/orders', { schema: { body } }, async (request, reply) => {
  const order = request.body
  const lines = order.lines.toSorted((a, b) => (a.sku < b.sku ? -1 : 1))
  const total = lines.reduce((sum, line) => sum + line.quantity * (prices.get(line.sku) ?? 0), 0)
  const id = randomUUID()
  try {
    await place(id, order, lines, total)
  } catch (fault) {
    if (fault instanceof SoldOut)
      return reply.code(409).send({ error: 'out_of_stock', sku: fault.message })
    throw fault
  }
  return reply.code(201).send({ id, total, status: 'placed' })
})

async function place(
  id: string,
  order: Order,
  lines: readonly Line[],
  total: number,
): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    for (const line of lines) {
      const taken = await client.query({
        name: 'take',
        text: 'update stock set available = available - $2 where sku = $1 and available >= $2',
        values: [line.sku, line.quantity],
      })
      if (taken.rowCount === 0) throw new SoldOut(line.sku)
    }
    await client.query({
      name: 'order',
      text: `insert into "order" (id, email, address, shipping, total, status) values ($1, $2, $3, $4, $5, 'placed')`,
      values: [id, order.email, JSON.stringify(order.address), order.shipping, total],
    })
    await client.query({
      name: 'lines',
      // Each array in the select list, which costs less than all of them in FROM.
      text: 'insert into order_line select $1, unnest($2::text[]), unnest($3::int[]), unnest($4::int[])',
      values: [
        id,
        lines.map((line) => line.sku),
        lines.map((line) => line.quantity),
        lines.map((line) => prices.get(line.sku) ?? 0),
      ],
    })
    await client.query({
      name: 'payment',
      text: `insert into payment values ($1, $2, $3, $4, 'authorized')`,
      values: [randomUUID(), id, order.payment, total],
    })
    await client.query('commit')
  } catch (fault) {
    await client.query('rollback')
    throw fault
  } finally {
    client.release()
  }
}

app.get<{ Querystring: { limit?: string; offset?: string } }>('/products', async (request) => {
  const { limit = '20', offset = '0' } = request.query
  return (
    await pool.query({
      name: 'list',
      text: `select p.sku, p.title, p.cents, s.available from product p join stock s using (sku) order by p.sku limit $1 offset $2`,
      values: [Number(limit), Number(offset)],
    })
  ).rows
})

app.get<{ Params: { sku: string } }>('/products/:sku', async (request, reply) => {
  const { rows } = await pool.query({
    name: 'detail',
    text: 'select p.sku, p.title, p.cents, s.available from product p join stock s using (sku) where sku = $1',
    values: [request.params.sku],
  })
  return rows[0] ?? reply.code(404).send({ error: 'not_found' })
})

const url = await app.listen({ port: 0, host: '127.0.0.1' })
process.stdout.write(`${JSON.stringify({ httpUrl: url })}\n`)
