// A warehouse whose dispatches are asked back, judged by the partner's own ledger.
import { expect, vi } from 'vitest'
import { z } from 'zod'
import { read } from '#platform/index.ts'
import { fulfillmentChecks } from '../checks.ts'
import { STANDARD_TIMING } from '../dispatch/dispatch-timing.ts'
import type { WorkerDeps } from '../dispatch/worker-deps.ts'
import { openWarehouse } from '../warehouse.fixture.ts'
import { recallDispatches } from './request-recall.ts'

const ledgerRow = z.object({
  fulfillment_id: z.string(),
  key: z.string(),
  recalled_at: z.string().nullable(),
  shipped_at: z.string().nullable(),
})

/** Times in which a test sees several attempts; the lease is longer than the longest request. */
export const QUICK = {
  ...STANDARD_TIMING,
  leaseMs: 4_000,
  retryMaxMs: 40,
  lookupMaxMs: 60,
  breakerMs: 100,
}

/** A warehouse with what tests of recalls look at. */
export async function openRecalls(options: Parameters<typeof openWarehouse>[0] = {}) {
  const house = await openWarehouse(options)
  let worker: Awaited<ReturnType<typeof house.startWorker>> | undefined
  /** Each dispatch that ever claimed the line of an order, oldest first, and how it stands. */
  const storyOf = (order: string) =>
    house.query(
      `select d.id, d.key, d.state, d.attempt, l.state as claim, r.state as wish, f.state as "order",
              r.tracking_number as tracking
         from fulfillment.line_claim l
         join fulfillment.dispatch d on d.id = l.dispatch_id
         join fulfillment.fulfillment_order f on f.id = l.fulfillment_id
         left join fulfillment.recall_line r
           on r.dispatch_id = l.dispatch_id and r.fulfillment_id = l.fulfillment_id
        where l.order_id = '${order}' order by d.id`,
    )
  return {
    ...house,
    storyOf,
    start: async (over: Partial<WorkerDeps> = {}) => {
      worker = await house.startWorker({ timing: QUICK, ...over })
    },
    pause: async () => {
      await worker?.stop()
      worker = undefined
    },
    reaches: (order: string, ...stories: readonly object[]) =>
      vi.waitFor(async () => expect(await storyOf(order)).toMatchObject(stories), 45_000),
    /** Asks the newest dispatch of an order back, as an operator does. */
    recall: async (order: string) => {
      const dispatch = (await storyOf(order)).at(-1)
      const names = [String(dispatch?.['id'])]
      return recallDispatches(house.context, { names, actor: 'ann', reason: 'by mistake' })
    },
    recallsOf: (order: string) =>
      house.query(
        `select q.key, q.state, q.revision, q.attempt, q.last_code,
                (select array_agg(a.class order by a.attempt) from fulfillment.recall_attempt a
                  where a.recall_id = q.id) as classes
           from fulfillment.recall q
          where q.dispatch_id in (select dispatch_id from fulfillment.line_claim
                                   where order_id = '${order}')
          order by q.revision`,
      ),
    /** The rows of an order in the partner's own ledger. */
    judge: async (order: string) => {
      const ours = await house.query(
        `select id from fulfillment.fulfillment_order where order_id = '${order}'`,
      )
      const ids = new Set(ours.map((row) => row['id']))
      const text = await (await fetch(`${house.url}/ledger`)).text()
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => ledgerRow.parse(JSON.parse(line)))
        .filter((row) => ids.has(row.fulfillment_id))
    },
    /** What `holdfast verify` would say of fulfillment. */
    violations: async () => {
      const found = await Promise.all(
        fulfillmentChecks.map(async ({ claim, find }) => {
          const rows = await read(house.test.database, find, { merchant: 'main' })
          return rows.map(({ subject, detail }) => ({ claim, subject, detail }))
        }),
      )
      return found.flat()
    },
  }
}

/** What `openRecalls` gives. */
export type Recalls = Awaited<ReturnType<typeof openRecalls>>
