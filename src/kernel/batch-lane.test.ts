import { expect, test } from 'vitest'
import { batchLane } from './batch-lane.ts'
import type { LetNext } from './batch-lane.ts'

type Run = { readonly items: readonly number[]; readonly letNext: LetNext; answer: () => void }

/** A lane whose runs end when the test says so. */
function heldLane(options: { batchMax?: number; queueMax?: number } = {}) {
  const runs: Run[] = []
  const lane = batchLane<number, number>({
    batchMax: options.batchMax ?? 10,
    queueMax: options.queueMax ?? 10,
    run: (items, letNext) =>
      new Promise((resolve) => {
        runs.push({ items, letNext, answer: () => resolve(items.map((item) => item * 2)) })
      }),
  })
  return { lane, runs, begun: () => runs.map((run) => run.items) }
}
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const turns = async () => {
  for (let n = 0; n < 5; n += 1) await turn()
}

test('what comes in one turn goes together, what comes later waits for the end of the run', async () => {
  const { lane, runs, begun } = heldLane()
  const first = Promise.all([lane.submit(1), lane.submit(2)])
  await turns()
  const later = Promise.all([lane.submit(3), lane.submit(4)])
  await turns()
  expect(begun()).toEqual([[1, 2]])
  expect(lane.depth()).toBe(2)
  runs[0]?.answer()
  expect(await first).toEqual([2, 4])
  await turns()
  expect(begun()).toEqual([
    [1, 2],
    [3, 4],
  ])
  runs[1]?.answer()
  expect(await later).toEqual([6, 8])
})

test('a run that lets the next begin overlaps with it, and three at most run', async () => {
  const { lane, runs, begun } = heldLane({ batchMax: 1 })
  const all = Promise.all([1, 2, 3, 4, 5].flatMap((item) => lane.submit(item) ?? []))
  await turns()
  runs[0]?.letNext()
  runs[0]?.letNext()
  expect(begun()).toEqual([[1], [2]])
  runs[1]?.letNext()
  expect(begun()).toEqual([[1], [2], [3]])
  runs[2]?.letNext()
  expect(begun()).toEqual([[1], [2], [3]])
  // A later one may end first: the fourth follows it, and the fifth still waits.
  runs[1]?.answer()
  await turns()
  expect(begun()).toEqual([[1], [2], [3], [4]])
  runs[0]?.answer()
  await turns()
  expect(begun()).toEqual([[1], [2], [3], [4]])
  runs[3]?.letNext()
  expect(begun()).toEqual([[1], [2], [3], [4], [5]])
  for (const run of runs.slice(2)) run.answer()
  await turns()
  expect(await all).toEqual([2, 4, 6, 8, 10])
})

test('what comes after a run let the next begin does not wait for its end', async () => {
  const { lane, runs, begun } = heldLane()
  const first = lane.submit(1)
  await turns()
  runs[0]?.letNext()
  const second = lane.submit(2)
  await turns()
  expect(begun()).toEqual([[1], [2]])
  let isIdle = false
  const idle = lane.idle().then(() => (isIdle = true))
  runs[1]?.answer()
  expect(await second).toBe(4)
  await turns()
  expect(isIdle).toBe(false)
  runs[0]?.answer()
  expect(await first).toBe(2)
  await idle
})

test('a run that fails rejects its own batch and no other', async () => {
  let runs = 0
  const lane = batchLane<number, number>({
    batchMax: 1,
    queueMax: 10,
    run: async ([item = 0], letNext) => {
      runs += 1
      letNext()
      await turn()
      if (item === 1) throw new Error('broken')
      return [item]
    },
  })
  const answers = await Promise.allSettled([1, 2, 3].flatMap((item) => lane.submit(item) ?? []))
  expect(answers.map((answer) => answer.status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  expect(runs).toBe(3)
  await lane.idle()
})

test('a full queue sheds', async () => {
  const { lane, runs } = heldLane({ queueMax: 1, batchMax: 1 })
  const first = lane.submit(1)
  expect(lane.submit(2)).toBeUndefined()
  await turns()
  runs[0]?.answer()
  expect(await first).toBe(2)
})
