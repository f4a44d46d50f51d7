// A worker in a process of its own, which may kill itself just before or just after a request.
import { systemClock } from '#kernel/index.ts'
import { openDatabase, silentLog } from '#platform/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import type { Outbound } from '#platform/outbound/index.ts'
import { startSubscriptionWorker } from './run-subscriptions.ts'

const [, , url = '', where = 'never', count = '0'] = process.argv
const outbound = openOutbound({ totalTimeoutMs: 1_000 })
let sends = 0

function dieAt(point: string): void {
  if (point === where && sends >= Number(count)) process.kill(process.pid, 'SIGKILL')
}

const deadly: Outbound = {
  ...outbound,
  send: async (request) => {
    sends += 1
    dieAt('before_send')
    const result = await outbound.send(request)
    dieAt('after_send')
    return result
  },
}

startSubscriptionWorker({
  context: {
    merchant: 'main',
    database: openDatabase(url),
    clock: systemClock,
    log: silentLog,
    provenance: () => Promise.reject(new Error('nobody asks')),
  },
  masterKey: Buffer.alloc(32, 7),
  outbound: deadly,
  random: Math.random,
  pollMs: 10,
  leaseS: 1.5,
})
process.send?.('up')
