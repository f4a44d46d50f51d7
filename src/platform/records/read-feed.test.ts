import { Client } from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { seededRandom } from '#kernel/index.ts'
import { createTestDatabase, dally } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { withTransaction } from '../database/database.ts'
import { statementSender } from '../database/statement-group.ts'
import { appendEvents } from './append-events.ts'
import { FEED_START, feedHealth, readFeed } from './read-feed.ts'
import type { FeedPosition } from './read-feed.ts'

let test_: TestDatabase
beforeAll(async () => {
  test_ = await createTestDatabase({ connectionsMax: 30 })
})
afterAll(() => test_.drop())

const eventually = <T>(body: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(body, { timeout: 30_000, interval: 25 })

/** A reader that follows the feed: each call goes on where the last one ended. */
function follower(merchant: string, scanMax: number, kinds = ['a', 'b']) {
  let from: FeedPosition = FEED_START
  const seen: string[] = []
  return {
    seen,
    readOn: async (): Promise<boolean> => {
      const page = await readFeed(test_.database, merchant, { from, kinds, scanMax })
      for (const event of page.events) if (event.id !== from.id) seen.push(event.id)
      from = page.head
      return page.isEnd
    },
  }
}
const committed = async (merchant: string) => {
  const { rows } = await test_.database.pool.query<{ id: string; kind: string }>(
    `select id, kind from platform.event where merchant_id = $1 order by xact, id`,
    [merchant],
  )
  return rows
}
const append = (merchant: string, kind = 'a', count = 1) =>
  withTransaction(test_.database, (tx) =>
    appendEvents(
      tx,
      merchant,
      Array.from({ length: count }, (_, index) => ({ subjectId: `s${index}`, kind })),
    ),
  )

/** A transaction on a connection of its own that has an id and commits or rolls back when told. */
async function openWriter(merchant: string) {
  const client = new Client({ connectionString: test_.runtimeUrl })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query('begin')
  const send = statementSender(client, () => (text) => text)
  await appendEvents({ send, isTransaction: true }, merchant, [{ subjectId: 'long', kind: 'a' }])
  return { end: (how: 'commit' | 'rollback') => client.query(how) }
}

test('a follower sees every event once, in one order, while transactions of all lengths commit', async () => {
  const random = seededRandom(14)
  const merchant = 'm_race'
  const written = new AbortController()
  const write = async (): Promise<void> => {
    for (let round = 0; round < 60; round += 1) {
      const isLost = random() < 0.2
      const dallies = random() < 0.3
      await withTransaction(test_.database, async (tx) => {
        await appendEvents(tx, merchant, [{ subjectId: `s${round}`, kind: 'a' }])
        // Other transactions begin and commit while this one is open.
        if (dallies) await dally(tx, random() * 0.05)
        await appendEvents(tx, merchant, [
          { subjectId: `s${round}`, kind: 'b' },
          { subjectId: `s${round}`, kind: 'unwanted' },
        ])
        if (isLost) throw new Error('rolled back')
      }).catch((fault: unknown) => {
        if (!(fault instanceof Error) || fault.message !== 'rolled back') throw fault
      })
    }
  }
  const followers = [follower(merchant, 2), follower(merchant, 7), follower(merchant, 1_000)]
  const follow = async (one: ReturnType<typeof follower>): Promise<void> => {
    let isEnd = false
    while (!written.signal.aborted || !isEnd) isEnd = await one.readOn()
  }
  const following = followers.map(follow)
  await Promise.all(Array.from({ length: 12 }, write))
  written.abort()
  await Promise.all(following)
  const wanted = (await committed(merchant)).filter(({ kind }) => kind !== 'unwanted')
  expect(wanted.length).toBeGreaterThan(500)
  for (const { seen, readOn } of followers) {
    await eventually(async () => {
      while (!(await readOn())) continue
      expect(seen).toEqual(wanted.map(({ id }) => id))
    })
  }
})

test('a transaction that is open holds back what is younger, and nothing is passed over', async () => {
  const merchant = 'm_long'
  const reader = follower(merchant, 100)
  await append(merchant)
  await eventually(async () => {
    await reader.readOn()
    expect(reader.seen).toHaveLength(1)
  })
  const long = await openWriter(merchant)
  await append(merchant)
  await append(merchant)
  await reader.readOn()
  expect(reader.seen).toHaveLength(1)
  expect((await feedHealth(test_.database, merchant)).lagS).toBeGreaterThan(0)
  await long.end('commit')
  await eventually(async () => {
    await reader.readOn()
    expect(reader.seen).toEqual((await committed(merchant)).map(({ id }) => id))
  })
  expect(reader.seen).toHaveLength(4)
  expect((await feedHealth(test_.database, merchant)).lagS).toBe(0)
})

test('a transaction that only reads holds nothing back', async () => {
  const merchant = 'm_reads'
  const client = new Client({ connectionString: test_.runtimeUrl })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query('begin isolation level repeatable read')
  await client.query('select count(*) from platform.event')
  await append(merchant)
  const reader = follower(merchant, 10)
  await eventually(async () => {
    await reader.readOn()
    expect(reader.seen).toHaveLength(1)
  })
})

test('a row of another kind moves the head, so that nobody looks at it twice', async () => {
  const merchant = 'm_kinds'
  await append(merchant, 'unwanted', 5)
  const page = async () =>
    readFeed(test_.database, merchant, { from: FEED_START, kinds: ['a'], scanMax: 5 })
  await eventually(async () => expect((await page()).head.id).not.toBe(''))
  expect(await page()).toMatchObject({ events: [], isEnd: false })
})

test('a log that was numbered by another database is told', async () => {
  const merchant = 'm_moved'
  await append(merchant)
  expect(await feedHealth(test_.database, merchant)).toMatchObject({ isAhead: false })
  await test_.asOwner(`update platform.event set xact = '99999999' where merchant_id = $1`, [
    merchant,
  ])
  expect(await feedHealth(test_.database, merchant)).toMatchObject({ isAhead: true })
})
