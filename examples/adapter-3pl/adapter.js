// HDP/1 on one side, a 3PL on the other that knows a unique `reference_id` and nothing of keys:
// `node adapter.js --file ledger.ndjson --api http://127.0.0.1:9000`, secrets in HDP_SECRETS.
import { createHash } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Refused } from '../receiver/checks.js'
import { accept, acceptRecall, settle, settleRecall } from '../receiver/decisions.js'
import { serve } from '../receiver/serve.js'

const TIMEOUT_MS = 10_000

const { values } = parseArgs({
  options: {
    file: { type: 'string' },
    api: { type: 'string' },
    port: { type: 'string', default: '0' },
  },
})
const secrets = (process.env.HDP_SECRETS ?? '').split(',').filter(Boolean)
if (!values.file || !values.api || secrets.length === 0) {
  process.stderr.write('give --file FILE and --api URL, and HDP_SECRETS=whsec_…\n')
  process.exit(2)
}

/** Work on one dispatch key runs one after another: two creates must not both walk its orders. */
const lines = new Map()
async function oneAtATime(key, work) {
  const before = lines.get(key) ?? Promise.resolve()
  const mine = before.then(work, work)
  lines.set(key, mine)
  try {
    return await mine
  } finally {
    if (lines.get(key) === mine) lines.delete(key)
  }
}

// Nothing is noted before the 3PL has every order. After a crash half-way the key is unknown, so the
// same bytes come again, and the orders that are there already answer by their reference.
function create(ledger, dispatch, fenceEpoch) {
  const { state } = ledger
  return oneAtATime(dispatch.key, async () => {
    const settled = await ledger.transact((append) => settle(state, append, dispatch, fenceEpoch))
    if (settled) return settled
    const rejected = []
    if (dispatch.probe !== true) {
      for (const order of dispatch.orders) {
        const refusal = await place(order)
        if (refusal) rejected.push({ id: order.fulfillment_id, ...refusal })
      }
    }
    return ledger.transact((append) => accept(append, dispatch, rejected))
  })
}

/** Places one order under its order key; answers why it was refused, or nothing. */
async function place(order) {
  const { order_key: reference_id, ship_to, lines: items } = order
  const fingerprint = fingerprintOf(order)
  const placed = await call('POST', '/orders', { reference_id, ship_to, items, memo: fingerprint })
  if (placed.status === 201) return undefined
  if (placed.status === 422 && placed.body.error === 'reference_id_taken') {
    // Ours from an earlier try, where the content is the same. Anything else is for a person.
    const known = await call('GET', `/orders?reference_id=${reference_id}`)
    if (known.status >= 500 || known.status === 429) throw unreachable(known.status)
    // A cancelled order keeps its reference here: it would never ship.
    if (known.body.cancelled) return { code: 'reference_cancelled', retriable: false }
    if (known.body.memo === fingerprint) return undefined
    return { code: 'reference_taken', retriable: false }
  }
  if (placed.status >= 500 || placed.status === 429) throw unreachable(placed.status)
  return { code: 'refused_by_3pl', retriable: false }
}

function recall(ledger, asked) {
  const { state } = ledger
  const { recalls, order_keys: orderKeys } = asked.read
  return oneAtATime(recalls, async () => {
    const settled = await ledger.transact((append) => settleRecall(state, append, asked))
    if (settled) return settled
    const dispatch = state.dispatches.get(recalls)
    const orders = []
    for (const order_key of new Set(orderKeys)) {
      const isOurs = !dispatch || dispatch.orders.some((one) => one.order_key === order_key)
      const outcome = isOurs ? await cancel(order_key, dispatch) : { outcome: 'unknown_order' }
      orders.push({ order_key, ...outcome })
    }
    return ledger.transact((append) => acceptRecall(state, append, asked, orders))
  })
}

// A key that was never seen may still have orders at the 3PL, from a create that broke off half-way.
async function cancel(orderKey, dispatch) {
  if (dispatch?.probe === true) return { outcome: 'recalled' }
  const cancelled = await call('POST', `/orders/${orderKey}/cancel`)
  if (cancelled.status >= 500 || cancelled.status === 429) throw unreachable(cancelled.status)
  if (cancelled.status !== 409) return { outcome: 'recalled' }
  const { tracking_number } = cancelled.body
  return tracking_number ? { outcome: 'too_late', tracking_number } : { outcome: 'in_progress' }
}

/** Unknown to Holdfast, which looks up, finds nothing and sends the same bytes again. */
function unreachable(why) {
  return new Refused(502, 'upstream_unknown', { detail: `the 3PL: ${why}` })
}

function fingerprintOf({ ship_to, lines: items }) {
  return createHash('sha256')
    .update(JSON.stringify([ship_to, items]))
    .digest('hex')
}

async function call(method, path, body) {
  try {
    const response = await fetch(values.api + path, {
      method,
      headers: { 'content-type': 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    return { status: response.status, body: await response.json() }
  } catch (fault) {
    throw unreachable(fault?.name ?? 'no answer')
  }
}

const adapter = await serve({
  file: values.file,
  secrets,
  port: Number(values.port),
  create,
  recall,
})
process.stdout.write(`${JSON.stringify({ url: adapter.url })}\n`)
for (const signal of ['SIGTERM', 'SIGINT'])
  process.once(signal, () => adapter.stop().then(() => process.exit(0)))
