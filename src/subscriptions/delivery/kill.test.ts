import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { seededRandom } from '#kernel/index.ts'
import { appendEvents, withTransaction } from '#platform/index.ts'
import { dally } from '../../../tests/database.ts'
import { openReceiver, openShop } from '../receiver.fixture.ts'

const KILLS = 20
const WORKER = fileURLToPath(new URL('./worker.fixture.ts', import.meta.url))

test('a worker killed at twenty random points loses no event, and each keeps one id', async () => {
  const random = seededRandom(20_261_123)
  const shop = await openShop()
  onTestFinished(() => shop.stop())
  const endpoint = await openReceiver()
  onTestFinished(() => endpoint.close())
  // One request in eight is refused, so that retries are killed as well.
  endpoint.state.answer = () => (random() < 0.125 ? 500 : 200)
  const { id } = await shop.subscribe(endpoint.url, { concurrencyMax: 4 })
  const children: ChildProcess[] = []
  onTestFinished(() => {
    for (const child of children) child.kill('SIGKILL')
  })
  const start = async (...point: string[]): Promise<ChildProcess> => {
    const child = fork(WORKER, [shop.test.runtimeUrl, ...point])
    children.push(child)
    await once(child, 'message')
    return child
  }
  const killed = new AbortController()
  const appending = appendWhile(shop.context, killed.signal, random)
  const deaths: string[] = []
  for (let kill = 0; kill < KILLS; kill += 1) {
    const where = ['before_send', 'after_send', 'any_time'][Math.floor(random() * 3)] ?? ''
    const child = await start(where, String(1 + Math.floor(random() * 12)))
    const exited = once(child, 'exit')
    if (where === 'any_time') setTimeout(() => child.kill('SIGKILL'), random() * 120)
    // Retries and lost leases are due at once, so that every process finds something to be killed at.
    const hurrying = setInterval(
      () =>
        void shop.rows(`update subscriptions.delivery set next_attempt_at = now()
                         where state = 'pending' and lease_token is null`),
      50,
    )
    const [, signal] = await exited
    clearInterval(hurrying)
    deaths.push(`${where} ${signal}`)
  }
  killed.abort()
  await appending
  expect(deaths.filter((death) => death.endsWith('SIGKILL'))).toHaveLength(KILLS)
  await start('never')
  const told = await shop.rows(
    `select id from platform.event where kind = 'order.cancelled' order by xact, id`,
  )
  expect(told.length).toBeGreaterThan(100)
  await vi.waitFor(
    async () => {
      await shop.rows(`update subscriptions.delivery set next_attempt_at = now()
                        where state = 'pending' and lease_token is null`)
      const waiting = await shop.rows(
        `select id from subscriptions.delivery where subscription_id = $1 and state <> 'delivered'`,
        [id],
      )
      expect(waiting).toEqual([])
      expect([...endpoint.ids()].toSorted()).toEqual(
        told.map((row) => String(row['id'])).toSorted(),
      )
    },
    { timeout: 30_000, interval: 100 },
  )
  const idsOfEvent = Map.groupBy(endpoint.seen, (one) => one.event.id)
  for (const [event, requests] of idsOfEvent) {
    expect([event, new Set(requests.map((one) => `${one.id} ${one.body}`)).size]).toEqual([
      event,
      1,
    ])
  }
}, 180_000)

/** Appends in transactions that overlap, some of which roll back, until it is told to stop. */
async function appendWhile(
  context: Awaited<ReturnType<typeof openShop>>['context'],
  stop: AbortSignal,
  random: () => number,
): Promise<void> {
  const write = async (writer: number): Promise<void> => {
    for (let round = 0; !stop.aborted; round += 1) {
      await withTransaction(context.database, async (tx) => {
        const kind = 'order.cancelled'
        await appendEvents(tx, context.merchant, [{ subjectId: `ord_${writer}_${round}`, kind }])
        await dally(tx, random() * 0.2)
        if (random() < 0.2) throw new Error('rolled back')
      }).catch((fault: unknown) => {
        if (!(fault instanceof Error) || fault.message !== 'rolled back') throw fault
      })
    }
  }
  await Promise.all([0, 1, 2].map(write))
}
