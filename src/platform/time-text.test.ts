import { expect, test } from 'vitest'
import { timeText } from './time-text.ts'

const isTaken = (text: string) => timeText.safeParse(text).success

test('a time that the database cannot hold is refused where it is read', () => {
  const taken = ['2026-11-22T10:00:00Z', '1900-01-01T00:00:00.5+14:59', '2199-12-31T23:59:59-14:00']
  expect(taken.filter((text) => !isTaken(text))).toEqual([])
  const refused = [
    '0000-01-01T00:00:00Z',
    '1899-12-31T23:59:59Z',
    '2200-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    '2026-11-22T10:00:00+15:00',
    '2026-11-22T10:00:00-23:59',
    '2026-02-30T10:00:00Z',
    '2026-11-22T10:00:00',
    '2026-11-22',
    '',
  ]
  expect(refused.filter(isTaken)).toEqual([])
})
