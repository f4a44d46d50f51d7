// A 3PL as they are: orders under a unique reference, 422 on a known one, no idempotency by key. In
// memory, for the test of the adapter. `PUT /toy` says what goes wrong next.
import { createServer } from 'node:http'

const orders = new Map()
/** `drop`: how many next orders are taken and then not answered. */
let toy = { drop: 0, refuse_sku: null }

const server = createServer(async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {}
  const answer = answerTo(request.method, new URL(request.url, 'http://toy'), body)
  const [status, said] = answer ?? []
  if (!answer) response.destroy()
  else response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(said))
})

function answerTo(method, { pathname, searchParams }, body) {
  if (method === 'PUT' && pathname === '/toy') return [200, (toy = { ...toy, ...body })]
  if (method === 'GET' && pathname === '/toy/orders') return [200, [...orders.values()]]
  if (method === 'POST' && pathname === '/orders') return place(body)
  if (method === 'GET' && pathname === '/orders') {
    const found = orders.get(searchParams.get('reference_id'))
    return found ? [200, found] : [404, { error: 'unknown' }]
  }
  const [, reference, verb] = /^\/orders\/([^/]+)\/(cancel|ship)$/.exec(pathname) ?? []
  const order = orders.get(reference)
  if (method !== 'POST' || !order) return [404, { error: 'unknown' }]
  if (verb === 'ship') {
    order.tracking_number = `TOY${orders.size}`
    return [200, order]
  }
  if (order.tracking_number) return [409, { tracking_number: order.tracking_number }]
  order.cancelled = true
  return [200, order]
}

function place(body) {
  if (orders.has(body.reference_id)) return [422, { error: 'reference_id_taken' }]
  if (body.items.some((one) => one.sku === toy.refuse_sku)) return [400, { error: 'unknown_sku' }]
  orders.set(body.reference_id, { ...body, id: orders.size + 1 })
  if (toy.drop === 0) return [201, { id: orders.size }]
  toy.drop -= 1
  return undefined
}

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })}\n`)
})
