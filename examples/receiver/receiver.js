// A partner of grade A in plain Node: `node receiver.js --file ledger.ndjson --port 8080`, with the
// secrets in HDP_SECRETS, newest first and separated by commas. See README.md.
import { parseArgs } from 'node:util'
import { accept, acceptRecall, settle, settleRecall } from './decisions.js'
import { serve } from './serve.js'

function create(ledger, dispatch, fenceEpoch) {
  const { state } = ledger
  // Here a real partner puts the orders into its warehouse, in the same transaction; never a probe's.
  return ledger.transact(
    (append) => settle(state, append, dispatch, fenceEpoch) ?? accept(append, dispatch),
  )
}

function recall(ledger, asked) {
  const { state } = ledger
  const { recalls, order_keys: orderKeys } = asked.read
  return ledger.transact((append) => {
    const settled = settleRecall(state, append, asked)
    if (settled) return settled
    const dispatch = state.dispatches.get(recalls)
    // This example ships nothing, so nothing is ever too late.
    const isKnown = (orderKey) => dispatch.orders.some((one) => one.order_key === orderKey)
    const orders = [...new Set(orderKeys)].map((order_key) => ({
      order_key,
      outcome: !dispatch || isKnown(order_key) ? 'recalled' : 'unknown_order',
    }))
    return acceptRecall(state, append, asked, orders)
  })
}

const { values } = parseArgs({
  options: { file: { type: 'string' }, port: { type: 'string', default: '0' } },
})
const secrets = (process.env.HDP_SECRETS ?? '').split(',').filter(Boolean)
if (!values.file || secrets.length === 0) {
  process.stderr.write('give --file FILE, and HDP_SECRETS=whsec_…\n')
  process.exit(2)
}
const { file, port } = values
const receiver = await serve({ file, secrets, port: Number(port), create, recall })
process.stdout.write(`${JSON.stringify({ url: receiver.url })}\n`)
for (const signal of ['SIGTERM', 'SIGINT'])
  process.once(signal, () => receiver.stop().then(() => process.exit(0)))
