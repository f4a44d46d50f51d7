// The dispatcher of the dispatch bench, in a process of its own: `node bench/dispatch-worker.ts URL`.
import { invariant, systemClock } from '#kernel/index.ts'
import { approvalCheck, sealProver, startFulfillmentWorker } from '#fulfillment/index.ts'
import { fixedFlags } from '#flags/index.ts'
import { partnerSecrets } from '#partners/index.ts'
import { keepStatistics, openDatabase, silentLog } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import { reviewKeys } from '#wire/index.ts'
import { BENCH_MASTER_KEY } from './world.ts'

const url = process.argv[2]
invariant(url, 'the address of the database is given')
const context: Context = {
  merchant: 'main',
  database: openDatabase(url, { connectionsMax: 8 }),
  clock: systemClock,
  log: silentLog,
  provenance: () => Promise.resolve({ id: 'prv_bench', flagSetVersion: 0 }),
}
// As an installation does.
keepStatistics(context.database, silentLog)
const worker = await startFulfillmentWorker({
  context,
  flags: fixedFlags(),
  secrets: partnerSecrets(context, BENCH_MASTER_KEY),
  outbound: openOutbound(),
  isProven: approvalCheck(reviewKeys(BENCH_MASTER_KEY)),
  prover: sealProver(BENCH_MASTER_KEY),
  random: Math.random,
  // One order a dispatch: the bench counts dispatches, not orders.
  batchOrdersMax: 1,
})
process.once('SIGTERM', () => void worker.stop().then(() => process.exit(0)))
process.stdout.write(`${JSON.stringify({ httpUrl: '' })}\n`)
