import { describe, expect, test } from 'vitest'
import { seededRandom } from '#kernel/index.ts'
import { shipByInput } from '../order-input.ts'
import {
  givenShipByMs,
  INITIAL_PROMISE,
  promisedShipByMs,
  shipByText,
  WEEKDAYS,
} from './promise.ts'
import type { Weekday } from './promise.ts'

const promised = (taken: string, handlingDays = 2, workingDays = INITIAL_PROMISE.workingDays) =>
  shipByText(promisedShipByMs(Date.parse(taken), { version: 1, handlingDays, workingDays }))

describe('the promise of an order that brings none', () => {
  test.each([
    ['Monday', '2026-11-23T08:00:00Z', '2026-11-25T23:59:59Z'],
    ['Thursday, over a weekend', '2026-11-26T23:59:59.999Z', '2026-11-30T23:59:59Z'],
    ['Friday, one second later', '2026-11-27T00:00:00Z', '2026-12-01T23:59:59Z'],
    ['Saturday, as if on Monday', '2026-11-28T12:00:00Z', '2026-12-02T23:59:59Z'],
  ])('taken on a %s', (_, taken, shipBy) => {
    expect(promised(taken)).toBe(shipBy)
  })

  test('is the same day where no day of handling is asked for', () => {
    expect(promised('2026-11-27T22:00:00Z', 0)).toBe('2026-11-27T23:59:59Z')
    expect(promised('2026-11-28T22:00:00Z', 0)).toBe('2026-11-30T23:59:59Z')
    expect(promised('2026-11-28T22:00:00Z', 1, ['sat'])).toBe('2026-12-05T23:59:59Z')
  })

  test('for any policy: a working day, never before the order, with exactly so many worked between', () => {
    const random = seededRandom(23)
    for (let round = 0; round < 500; round += 1) {
      const takenAtMs = Math.floor(random() * 4_102_444_800_000)
      const worked = WEEKDAYS.filter(() => random() < 0.5)
      const workingDays: readonly Weekday[] = worked.length > 0 ? worked : ['wed']
      const handlingDays = Math.floor(random() * 20)
      const dueMs = promisedShipByMs(takenAtMs, { version: 1, handlingDays, workingDays })
      const isWorked = (ms: number) =>
        workingDays.includes(WEEKDAYS[new Date(ms).getUTCDay()] ?? 'sun')
      expect(dueMs).toBeGreaterThanOrEqual(takenAtMs - 1_000)
      expect(isWorked(dueMs)).toBe(true)
      let between = 0
      for (let day = takenAtMs; ; day += 86_400_000) {
        if (isWorked(day)) between += 1
        if (Math.floor(day / 86_400_000) === Math.floor(dueMs / 86_400_000)) break
      }
      expect(between).toBe(handlingDays + 1)
    }
  })
})

describe('a promise that is given', () => {
  test.each([
    ['2026-02-10', '2026-02-10T23:59:59Z'],
    ['2026-02-10T12:00:00Z', '2026-02-10T12:00:00Z'],
    ['2026-02-10T12:00:00.999+02:00', '2026-02-10T10:00:00Z'],
  ])('%s is the instant %s', (given, instant) => {
    expect(shipByInput.safeParse(given).success).toBe(true)
    expect(shipByText(givenShipByMs(given))).toBe(instant)
  })

  test.each(['tomorrow', '2026-02-30', '2026-02-10T12:00:00', '0000-01-01', '9999-01-01', ''])(
    'that is no instant is refused: %j',
    (given) => {
      expect(shipByInput.safeParse(given).success).toBe(false)
    },
  )
})
