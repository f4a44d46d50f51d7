// One dispatcher process of the crash suite: the real worker over the database that it is told, and a
// SIGKILL to itself at named points, which are outside of the product: before and after what it calls.
import { invariant, seededRandom } from '#kernel/index.ts'
import {
  approvalCheck,
  DISPATCH_TIMINGS,
  sealProver,
  startFulfillmentWorker,
} from '#fulfillment/index.ts'
import { partnerSecrets } from '#partners/index.ts'
import { openDatabase } from '#platform/index.ts'
import type { Log } from '#platform/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import { reviewKeys } from '#wire/index.ts'
import { FLAGS } from '#flags/index.ts'
import { createTestContext } from '../database.ts'

const [url, masterKeyHex, seed, rateText] = process.argv.slice(2)
invariant(url && masterKeyHex && seed && rateText, 'database, master key, seed and rate are given')
const rate = Number(rateText)
const random = seededRandom(Number(seed))
const masterKey = Buffer.from(masterKeyHex, 'hex')

/** Dies here once in a while; the parent reads the last line to know where. */
function maybeDie(point: string): void {
  if (random() >= rate) return
  process.stdout.write(`${point}\n`)
  process.kill(process.pid, 'SIGKILL')
}

const quiet = (): void => undefined
const log: Log = {
  debug: quiet,
  info: (_, message) => {
    if (message === 'dispatch is accepted') maybeDie('after-completion')
  },
  warn: quiet,
  error: quiet,
}
const database = openDatabase(url, { connectionsMax: 6 })
const context = await createTestContext(database, log)
const outbound = openOutbound({ connectTimeoutMs: 1_000, totalTimeoutMs: 2_000 })
const prover = sealProver(masterKey)
const worker = await startFulfillmentWorker({
  context,
  flags: { isOn: (key) => FLAGS[key].initial, version: () => 0 },
  secrets: partnerSecrets(context, masterKey),
  outbound: {
    ...outbound,
    send: async (request) => {
      maybeDie(request.method === 'POST' ? 'after-intent' : 'before-lookup')
      const sent = outbound.send(request)
      if (random() < rate) setTimeout(() => maybeDieNow('during-send'), random() * 20)
      const result = await sent
      maybeDie(request.method === 'POST' ? 'after-answer' : 'after-lookup')
      return result
    },
  },
  isProven: approvalCheck(reviewKeys(masterKey)),
  prover: {
    ...prover,
    prove: (facts) => {
      maybeDie('during-seal')
      return prover.prove(facts)
    },
  },
  random: Math.random,
  timing: DISPATCH_TIMINGS.rehearsal,
  batchOrdersMax: 1,
  pollMs: 200,
})
process.stdout.write('ready\n')
process.once('SIGTERM', () => {
  void worker.stop().then(() => process.exit(0))
})

function maybeDieNow(point: string): void {
  process.stdout.write(`${point}\n`)
  process.kill(process.pid, 'SIGKILL')
}
