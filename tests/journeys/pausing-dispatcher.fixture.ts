// One dispatcher process: the real worker over the database that it is told, which stops itself with SIGSTOP
// at the point that the parent names for the next order. The points are outside of the product: before and
// after what it calls.
import { createInterface } from 'node:readline'
import { invariant } from '#kernel/index.ts'
import {
  approvalCheck,
  DISPATCH_TIMINGS,
  sealProver,
  startFulfillmentWorker,
} from '#fulfillment/index.ts'
import { partnerSecrets } from '#partners/index.ts'
import { openDatabase } from '#platform/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import { reviewKeys } from '#wire/index.ts'
import { createTestContext } from '../database.ts'
import { testFlags } from '../shop.ts'

const [url, masterKeyHex] = process.argv.slice(2)
invariant(url && masterKeyHex, 'database and master key are given')
const masterKey = Buffer.from(masterKeyHex, 'hex')

let next = 'none'
createInterface({ input: process.stdin })
  .on('line', (line) => {
    next = line
    process.stdout.write(`armed ${line}\n`)
  })
  .on('close', () => process.exit(0))

/** Stops here if the parent asked for it; the parent reads the line, and continues the process. */
function stopAt(point: string): void {
  if (next !== point) return
  next = 'none'
  process.stdout.write(`stopped ${point}\n`)
  process.kill(process.pid, 'SIGSTOP')
}

const context = await createTestContext(openDatabase(url, { connectionsMax: 6 }))
const outbound = openOutbound({ connectTimeoutMs: 1_000, totalTimeoutMs: 2_000 })
const prover = sealProver(masterKey)
await startFulfillmentWorker({
  context,
  flags: testFlags(),
  secrets: partnerSecrets(context, masterKey),
  outbound: {
    ...outbound,
    send: async (request) => {
      // Dispatches alone: the recalls of earlier orders go on beside them.
      const isDispatch = request.method === 'POST' && request.url.endsWith('/dispatches')
      if (isDispatch) stopAt('before-send')
      const result = await outbound.send(request)
      if (isDispatch) stopAt('after-answer')
      return result
    },
  },
  isProven: approvalCheck(reviewKeys(masterKey)),
  prover: {
    ...prover,
    prove: (facts) => {
      if (facts.dispatch.startsWith('dsp_')) stopAt('inside-seal')
      return prover.prove(facts)
    },
  },
  random: Math.random,
  timing: DISPATCH_TIMINGS.rehearsal,
  batchOrdersMax: 1,
  pollMs: 50,
})
process.stdout.write('ready\n')
