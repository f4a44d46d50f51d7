import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { invariant, seededRandom } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { startGrpcServer } from '#platform/grpc/index.ts'
import type { GrpcServer } from '#platform/grpc/index.ts'
import { handOverService } from '#fulfillment/index.ts'
import { decideOrder, fulfillmentClient, handOverOnce, listDecisions } from '#orders/index.ts'
import type { Decided, FulfillmentClient, OrderPlacing } from '#orders/index.ts'
import { HandoffService } from '#wire/index.ts'
import { openWarehouse } from '../../src/fulfillment/warehouse.fixture.ts'
import type { Warehouse } from '../../src/fulfillment/warehouse.fixture.ts'
import {
  anOrder,
  aRequest,
  stockShop,
  TEST_MASTER_KEY,
  testPlacing,
  testReviewKeys,
} from '../shop.ts'

const FIXTURE = fileURLToPath(new URL('pausing-dispatcher.fixture.ts', import.meta.url))
const ROUNDS = Number(process.env['DECIDE_ROUNDS'] ?? 200)
/** Where the dispatcher is stopped while the order is held; `none` runs on, `shipped` has done it all. */
const POINTS = ['inside-seal', 'before-send', 'after-answer', 'shipped', 'none'] as const

let house: Warehouse
let placing: OrderPlacing
let server: GrpcServer
let client: FulfillmentClient
let dispatcher: ChildProcessByStdio<Writable, Readable, null>
const heard: string[] = []
beforeAll(async () => {
  house = await openWarehouse({ shipDelayMs: 20 })
  placing = testPlacing(house.context)
  await stockShop(house.context, { A: 10_000 })
  const service = handOverService({
    context: house.context,
    masterKey: TEST_MASTER_KEY,
    reviewKeys: testReviewKeys,
  })
  server = await startGrpcServer({
    services: [(router) => void router.service(HandoffService, service)],
    host: '127.0.0.1',
    port: 0,
    messageBytesMax: 1024 * 1024,
  })
  client = fulfillmentClient(server.url, TEST_MASTER_KEY)
  const args = [FIXTURE, house.test.runtimeUrl, TEST_MASTER_KEY.toString('hex')]
  dispatcher = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  createInterface({ input: dispatcher.stdout }).on('line', (line) => heard.push(line))
  await hear('ready')
})
afterAll(async () => {
  const ended = once(dispatcher, 'exit')
  dispatcher.kill('SIGCONT')
  dispatcher.kill('SIGKILL')
  await ended
  await server.close()
  await house.stop()
})

const hear = (line: string) => vi.waitFor(() => expect(heard).toContain(line), { timeout: 30_000 })
const stateOf = async (order: string) =>
  (
    await house.query(`select state from fulfillment.fulfillment_order where order_id = '${order}'`)
  )[0]?.['state']
// A record that is refused takes its batch with it: others wait here until the order has gone.
const handOver = (order: string) =>
  vi.waitFor(
    async () => {
      await house.asOwner(
        `update orders.handover_outbox
            set not_before = now() + case when order_id = '${order}' then interval '0' else '1 day' end
          where last_code is not null`,
      )
      await handOverOnce(house.context, client.handOver)
      expect(await stateOf(order)).toBeDefined()
    },
    { timeout: 30_000, interval: 1 },
  )
const waitsForLock = () =>
  vi.waitFor(
    async () => {
      const rows = await house.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      expect(rows).not.toEqual([])
    },
    { timeout: 10_000, interval: 5 },
  )

/** The next order meets a dispatcher that has nothing else to send. */
const calm = () =>
  vi.waitFor(
    async () => {
      const busy = await house.query(
        `select 1 from fulfillment.dispatch where state in ('queued', 'sending', 'unknown')`,
      )
      expect(busy).toEqual([])
    },
    { timeout: 30_000, interval: 10 },
  )

const becomes = (order: string, state: string) =>
  vi.waitFor(async () => expect(await stateOf(order)).toBe(state), { timeout: 30_000 })

type Round = {
  readonly order: string
  readonly point: string
  readonly said: Outcome<Decided>
}

const hold = (orderId: string) =>
  decideOrder(placing.deps, client.decide, {
    orderId,
    verdict: 'hold',
    actor: 'person:ada',
    reason: 'looks wrong',
  })

/** Places one order, lets the dispatcher come to the point, and holds the order there. */
async function play(point: (typeof POINTS)[number], isLeftStopped: boolean): Promise<Round> {
  heard.length = 0
  const isStop = point !== 'none' && point !== 'shipped'
  if (isStop) {
    dispatcher.stdin.write(`${point}\n`)
    await hear(`armed ${point}`)
  }
  const placed = await placing.place(aRequest(anOrder()))
  invariant(placed.kind === 'placed', 'the order is placed')
  const order = placed.order.id
  // Held while it is handed over, and sealed: whichever comes first.
  if (point === 'none') {
    const [said] = await Promise.all([hold(order), handOver(order)])
    await calm()
    return { order, point, said }
  }
  await handOver(order)
  if (isStop) await hear(`stopped ${point}`)
  if (point === 'shipped') await becomes(order, 'shipped')
  const saying = hold(order)
  // A process that is stopped inside its transaction has the rows: the answer waits for it, or for 5 s.
  if (point === 'inside-seal' && !isLeftStopped) await waitsForLock()
  else if (isStop) await saying
  dispatcher.kill('SIGCONT')
  const said = await saying
  await calm()
  return { order, point, said }
}

test(`${ROUNDS} holds against a dispatcher that is stopped in between: what is told held never left`, async () => {
  const random = seededRandom(4)
  const rounds: Round[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const point = POINTS[Math.floor(random() * POINTS.length)] ?? 'none'
    rounds.push(await play(point, round === 0 || round === ROUNDS / 2))
  }
  await vi.waitFor(
    async () => {
      const open = await house.query(
        `select 1 from fulfillment.fulfillment_order f
           left join fulfillment.recall_line r on r.fulfillment_id = f.id
          where f.state in ('open', 'sealed', 'accepted') and r.state is distinct from 'too_late'`,
      )
      expect(open).toEqual([])
    },
    { timeout: 60_000 },
  )
  const ledger = new Set((await house.ledger()).map((row) => row.fulfillment_id))
  const seen = new Map<string, number>()
  const faults: string[] = []
  for (const round of rounds) {
    const outcome = outcomeOf(round)
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
    faults.push(...(await faultsOf(round, ledger)))
  }
  expect(faults).toEqual([])
  console.info(`${ROUNDS} holds: ${JSON.stringify(Object.fromEntries(seen))}`)
  expect([...seen.keys()]).toEqual(expect.arrayContaining(['held', 'recalling', 'order_shipped']))
}, 240_000)

const outcomeOf = ({ said }: Round): string =>
  said.ok ? said.value.answer.outcome : said.refusal.code

const WANTED = new Map([
  ['before-send', 'recalling'],
  ['after-answer', 'recalling'],
  ['shipped', 'order_shipped'],
])

/** What was said of one order against the partner's own ledger and the decisions that are recorded. */
async function faultsOf(round: Round, ledger: ReadonlySet<string>): Promise<readonly string[]> {
  const { order, point, said } = round
  const outcome = outcomeOf(round)
  const [row] = await house.query(
    `select id from fulfillment.fulfillment_order where order_id = '${order}'`,
  )
  const hasPartner = ledger.has(String(row?.['id']))
  const decisions = await listDecisions(house.context.database, 'main', order)
  const wrong = [
    outcome === 'held' && hasPartner && 'is told held, and its partner has it',
    outcome === 'order_shipped' && !hasPartner && 'is told shipped, and its partner never had it',
    decisions.length !== (said.ok ? 2 : 1) && `has ${decisions.length} decisions`,
    (WANTED.get(point) ?? outcome) !== outcome && 'is told something else',
  ]
  return wrong.filter((one) => one !== false).map((one) => `${order} ${point} ${outcome}: ${one}`)
}
