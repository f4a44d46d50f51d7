import { expect, test } from 'vitest'
import { answerWithin, startDeadline } from './deadline.ts'

const standStill = (ms: number): void =>
  void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

test('an answer that does not come is given up', async () => {
  const never = new Promise<string>(() => undefined)
  expect(await answerWithin(never, 300, () => 'given up')).toBe('given up')
})

test('an answer that comes in time is the answer, and a fault is the fault', async () => {
  expect(await answerWithin(Promise.resolve('there'), 300, () => 'given up')).toBe('there')
  const fault = Promise.reject(new Error('broken'))
  await expect(answerWithin(fault, 300, () => 'given up')).rejects.toThrow('broken')
})

test('a pause of this process is not taken for the silence of others', async () => {
  let isLate = false
  const next = Promise.withResolvers<void>()
  startDeadline(1_000, () => (isLate = true))
  // What was due right behind the pause comes after every beat that the pause has kept back.
  standStill(3_000)
  setTimeout(next.resolve, 300)
  await next.promise
  expect(isLate).toBe(false)
})
