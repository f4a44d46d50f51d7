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
/** `KILL_SEED` picks other points; those of one seed are the same whatever else goes on. */
const SEED = Number(process.env['KILL_SEED'] ?? 20_261_123)
const WORKER = fileURLToPath(new URL('./worker.fixture.ts', import.meta.url))

test('a worker killed at twenty random points loses no event, and each keeps one id', async () => {
  // Streams of their own: how often the endpoint is asked must not move the next kill.
  const random = seededRandom(SEED)
  const refusals = seededRandom(SEED + 1)
  const shop = await openShop()
  onTestFinished(() => shop.stop())
  const endpoint = await openReceiver()
  onTestFinished(() => endpoint.close())
  // One request in eight is refused, so that retries are killed as well.
  endpoint.state.answer = () => (refusals() < 0.125 ? 500 : 200)
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
  const deaths: string[] = []
  const hurry = () =>
    shop.rows(`update subscriptions.delivery set next_attempt_at = now()
                where state = 'pending' and lease_token is null`)
  // Events are appended while the worker lives, as fast as this machine can: what waits stays bounded.
  const append = overlappingWriters(shop.context, seededRandom(SEED + 2))
  const workUntil = async (exited: Promise<unknown>): Promise<void> => {
    const over = new AbortController()
    void exited.then(() => over.abort())
    while (!over.signal.aborted) await Promise.all([append(), hurry()])
  }
  for (let kill = 0; kill < KILLS; kill += 1) {
    const where = ['before_send', 'after_send', 'any_time'][Math.floor(random() * 3)] ?? ''
    const child = await start(where, String(1 + Math.floor(random() * 12)))
    const exited = once(child, 'exit')
    if (where === 'any_time') setTimeout(() => child.kill('SIGKILL'), random() * 120)
    // Retries and lost leases are due at once, so that every process finds something to be killed at.
    const [signal] = await Promise.all([exited.then(([, by]) => String(by)), workUntil(exited)])
    deaths.push(`${where} ${signal}`)
  }
  expect(deaths.filter((death) => death.endsWith('SIGKILL'))).toHaveLength(KILLS)
  await start('never')
  const told = await shop.rows(
    `select id from platform.event where kind = 'order.cancelled' order by xact, id`,
  )
  expect(told.length).toBeGreaterThan(KILLS)
  await vi.waitFor(
    async () => {
      await hurry()
      const waiting = await shop.rows(
        `select id from subscriptions.delivery where subscription_id = $1 and state <> 'delivered'`,
        [id],
      )
      expect(waiting).toEqual([])
      expect([...endpoint.ids()].toSorted()).toEqual(
        told.map((row) => String(row['id'])).toSorted(),
      )
    },
    { timeout: 60_000, interval: 100 },
  )
  const idsOfEvent = Map.groupBy(endpoint.seen, (one) => one.event.id)
  for (const [event, requests] of idsOfEvent) {
    expect([event, new Set(requests.map((one) => `${one.id} ${one.body}`)).size]).toEqual([
      event,
      1,
    ])
  }
}, 600_000)

/** Appends in three transactions that overlap, two each, some of which roll back. */
function overlappingWriters(
  context: Awaited<ReturnType<typeof openShop>>['context'],
  random: () => number,
): () => Promise<void> {
  let made = 0
  const write = async (): Promise<void> => {
    for (let round = 0; round < 2; round += 1) {
      made += 1
      const event = { subjectId: `ord_${made}`, kind: 'order.cancelled' }
      const [waitS, isRolledBack] = [random() * 0.2, random() < 0.2]
      await withTransaction(context.database, async (tx) => {
        await appendEvents(tx, context.merchant, [event])
        await dally(tx, waitS)
        if (isRolledBack) throw new Error('rolled back')
      }).catch((fault: unknown) => {
        if (!(fault instanceof Error) || fault.message !== 'rolled back') throw fault
      })
    }
  }
  return async () => void (await Promise.all([write(), write(), write()]))
}
