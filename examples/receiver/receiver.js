// A partner of grade A in plain Node: `node receiver.js --file ledger.ndjson --port 8080`, with the
// secrets in HDP_SECRETS, newest first and separated by commas. See README.md.
import { createServer } from 'node:http'
import { createHash } from 'node:crypto'
import { parseArgs } from 'node:util'
import {
  checkDispatch,
  checkEnvelope,
  checkRecall,
  checkSignature,
  KEY,
  Refused,
  strictJson,
} from './checks.js'
import { openLedger } from './ledger.js'

const BODY_BYTES_MAX = 1_048_576
const PATH = '/holdfast/v1/dispatches'

/** Answers one request; throws `Refused`. */
async function answer(ledger, secrets, request, body) {
  const url = new URL(request.url, 'http://partner')
  const [key, verb, ...more] = url.pathname.startsWith(`${PATH}/`)
    ? url.pathname.slice(PATH.length + 1).split('/')
    : []
  const route = `${request.method} ${verb ?? (key === undefined ? url.pathname : 'dispatch')}`
  if (more.length > 0 || (key !== undefined && !KEY.test(key)))
    throw new Refused(404, 'route_unknown')
  if (route === `POST ${PATH}`) return create(ledger, secrets, request.headers, body)
  if (route === 'POST recall') return recall(ledger, secrets, request.headers, body, key)
  if (route !== 'GET dispatch' && route !== `GET ${PATH}`) throw new Refused(404, 'route_unknown')
  checkSignature(secrets, request.headers, body)
  // Through the ledger's queue: what is not on the disk yet must not be confirmed.
  return ledger.transact(() =>
    key === undefined ? list(ledger.state, url.searchParams) : lookUp(ledger.state, key),
  )
}

function create(ledger, secrets, headers, body) {
  const { key, fenceEpoch } = checkEnvelope(secrets, headers, body)
  if (fenceEpoch === undefined) throw new Refused(400, 'fence_epoch_invalid')
  const dispatch = checkDispatch(strictJson(body), key)
  return ledger.transact((append) => decide(ledger.state, append, dispatch, fenceEpoch))
}

/** The order of these questions is the order of the protocol; the first that fails is the answer. */
function decide(state, append, dispatch, fenceEpoch) {
  const isProbe = dispatch.probe === true
  if (!isProbe) meetFence(state, append, fenceEpoch)
  if (state.recalledKeys.has(dispatch.key)) throw new Refused(410, 'recalled')
  const known = state.dispatches.get(dispatch.key)
  if (known) {
    if (known.content_sha256 !== dispatch.content_sha256) throw new Refused(422, 'key_reused')
    return { status: 200, headers: { 'idempotent-replayed': 'true' }, body: echo(known) }
  }
  if (dispatch.revision < (state.revisions.get(dispatch.batch) ?? 0))
    throw new Refused(409, 'stale_revision')
  for (const { order_key: orderKey } of dispatch.orders) {
    const holder = state.liveOrders.get(orderKey)
    if (holder !== undefined)
      throw new Refused(409, 'order_key_live', { order_key: orderKey, live_under: holder })
  }
  const { key, content_sha256, batch, revision, sequence } = dispatch
  const orders = dispatch.orders.map(({ fulfillment_id, order_key, lines, ship_to }) =>
    isProbe ? { fulfillment_id, order_key } : { fulfillment_id, order_key, lines, ship_to },
  )
  const accepted_at = new Date().toISOString()
  const record = {
    t: 'accepted',
    key,
    content_sha256,
    batch,
    revision,
    sequence,
    accepted_at,
    orders,
  }
  // Here a real partner puts the orders into its warehouse, from this very record; never for a probe.
  append(isProbe ? { ...record, probe: true } : record)
  return { status: 201, body: echo(record) }
}

function meetFence(state, append, fenceEpoch) {
  if (fenceEpoch < state.fenceEpoch)
    throw new Refused(409, 'stale_epoch', { fence_epoch: state.fenceEpoch })
  if (fenceEpoch > state.fenceEpoch) append({ t: 'epoch', epoch: fenceEpoch })
}

function recall(ledger, secrets, headers, body, recalls) {
  const { key, fenceEpoch } = checkEnvelope(secrets, headers, body)
  const read = checkRecall(strictJson(body), key, recalls)
  const digest = createHash('sha256').update(body).digest('hex')
  const { state } = ledger
  return ledger.transact((append) => {
    if (fenceEpoch !== undefined) meetFence(state, append, fenceEpoch)
    const earlier = state.recalls.get(key)
    if (earlier) {
      if (earlier.digest !== digest) throw new Refused(422, 'key_reused')
      return { status: 200, headers: { 'idempotent-replayed': 'true' }, body: earlier.answer }
    }
    const dispatch = state.dispatches.get(recalls)
    const outcomeOf = (orderKey) =>
      // This example ships nothing, so nothing is ever too late.
      !dispatch || dispatch.orders.some((one) => one.order_key === orderKey)
        ? 'recalled'
        : 'unknown_order'
    const orders = [...new Set(read.order_keys)].map((order_key) => ({
      order_key,
      outcome: outcomeOf(order_key),
    }))
    // A recall of a key that was never seen is remembered: a create that comes late is refused.
    const said = { key, recalls, tombstone: !dispatch, orders }
    append({ t: 'recall', digest, answer: said })
    return { status: 200, body: said }
  })
}

function lookUp(state, key) {
  if (state.recalledKeys.has(key)) throw new Refused(410, 'recalled')
  const known = state.dispatches.get(key)
  if (!known) throw new Refused(404, 'dispatch_unknown')
  return { status: 200, body: { ...echo(known), state: stateOf(known), sequence: known.sequence } }
}

function list(state, query) {
  const after = Number(query.get('after_sequence') ?? '0')
  const limit = Number(query.get('limit') ?? '100')
  if (!Number.isSafeInteger(after) || !Number.isSafeInteger(limit) || limit < 1 || limit > 1_000)
    throw new Refused(400, 'query_invalid')
  const all = [...state.dispatches.values()]
    .filter((one) => one.sequence > after)
    .toSorted((a, b) => a.sequence - b.sequence)
  let end = Math.min(limit, all.length)
  // A page never ends between two of one sequence, or the cursor would skip one.
  while (end < all.length && all[end].sequence === all[end - 1].sequence) end += 1
  const dispatches = all.slice(0, end).map((one) => {
    const { key, content_sha256, batch, revision, sequence, accepted_at } = one
    return { key, state: stateOf(one), content_sha256, batch, revision, sequence, accepted_at }
  })
  const next = end < all.length ? dispatches.at(-1).sequence : null
  return { status: 200, body: { dispatches, next_after_sequence: next } }
}

function stateOf({ recalled, orders }) {
  if (recalled.size === 0) return 'accepted'
  return recalled.size === orders.length ? 'recalled' : 'recall_partial'
}

const echo = ({ key, content_sha256, orders }) => ({
  key,
  content_sha256,
  accepted: orders.map((one) => one.fulfillment_id),
  rejected: [],
})

async function readBody(request) {
  const length = request.headers['content-length']
  if (request.method !== 'GET' && length === undefined) throw new Refused(411, 'length_required')
  if (Number(length ?? 0) > BODY_BYTES_MAX) throw new Refused(413, 'body_too_large')
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function send(response, { status, headers = {}, body }, type = 'application/json') {
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(status, { 'content-type': type, 'content-length': bytes.length, ...headers })
  response.end(bytes)
}

function refuse(response, { status, code, more }) {
  const body = { type: 'about:blank', status, title: code, code, ...more }
  // A body that was not read would be parsed as the next request.
  const headers = response.req.complete ? {} : { connection: 'close' }
  send(response, { status, headers, body }, 'application/problem+json')
}

/** Starts the receiver on 127.0.0.1; behind a TLS proxy in real life. */
export async function startReceiver({ file, secrets, port = 0 }) {
  const ledger = await openLedger(file)
  const server = createServer(async (request, response) => {
    try {
      const body = await readBody(request)
      const seen = ledger.state.highestSequence
      const said = await answer(ledger, secrets, request, body)
      const headers = { ...said.headers, 'holdfast-sequence-seen': String(seen) }
      send(response, { ...said, headers })
    } catch (fault) {
      if (response.destroyed) return
      if (fault instanceof Refused) refuse(response, fault)
      else {
        process.stderr.write(`${fault?.stack ?? fault}\n`)
        refuse(response, { status: 500, code: 'internal', more: {} })
      }
    }
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async stop() {
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
      await ledger.close()
    },
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { file: { type: 'string' }, port: { type: 'string', default: '0' } },
  })
  const secrets = (process.env.HDP_SECRETS ?? '').split(',').filter(Boolean)
  if (!values.file || secrets.length === 0) {
    process.stderr.write('give --file FILE, and HDP_SECRETS=whsec_…\n')
    process.exit(2)
  }
  const receiver = await startReceiver({ file: values.file, secrets, port: Number(values.port) })
  process.stdout.write(`${JSON.stringify({ url: receiver.url })}\n`)
  for (const signal of ['SIGTERM', 'SIGINT'])
    process.once(signal, () => receiver.stop().then(() => process.exit(0)))
}
