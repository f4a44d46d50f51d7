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
import { awaitDatabase, isUnavailable, openDatabase } from '#platform/index.ts'
import type { Log } from '#platform/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import { reviewKeys } from '#wire/index.ts'
import { fixedFlags } from '#flags/index.ts'
import { createTestContext } from '../database.ts'

const [url, masterKeyHex, seed, rateText] = process.argv.slice(2)
invariant(url && masterKeyHex && seed && rateText, 'database, master key, seed and rate are given')
// Without the suite there is nobody left to start it again or to look at it.
process.stdin.resume().once('end', () => process.exit(0))
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
const database = openDatabase(url, { connectionsMax: 6, answerMaxMs: 5_000 })

async function startDispatcher(): Promise<void> {
  const isThere = await awaitDatabase(url ?? '', { waitMs: 60_000 })
  if (!isThere.ok) process.exit(1)
  const context = await createTestContext(database, log)
  const outbound = openOutbound({ connectTimeoutMs: 1_000, totalTimeoutMs: 2_000 })
  const prover = sealProver(masterKey)
  await startFulfillmentWorker({
    context,
    flags: fixedFlags(),
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
}

// A database that goes away while this starts is a fault of the suite's making: it starts again.
await startDispatcher().catch((fault: unknown) => {
  if (isUnavailable(fault) || /terminat|timeout/i.test(String(fault))) process.exit(1)
  throw fault
})
process.stdout.write('ready\n')

function maybeDieNow(point: string): void {
  process.stdout.write(`${point}\n`)
  process.kill(process.pid, 'SIGKILL')
}
