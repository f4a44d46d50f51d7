import { expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { handOverReader, sealHandOver } from '#wire/index.ts'
import type { HandOverRequest } from '#wire/index.ts'
import { record } from '#wire/record.fixture.ts'
import { loseLateFields, ordersOf } from './lose-late-fields.ts'

const records = [1, 2, 3].map((number) => record(number))
const batch = { batchId: 'hov_1', merchant: 'main', provenance: 'prv_1', records }
const sent = orThrow(sealHandOver(batch)).envelopes

function opened(envelopes: readonly HandOverRequest[]) {
  const reader = handOverReader()
  for (const one of envelopes) {
    const pushed = reader.push(one)
    if (!pushed.ok) return pushed
  }
  return reader.finish()
}

test('what the relay leaves is sound in every layer below the meaning, and refused by the meaning', () => {
  expect(ordersOf(sent)).toBe(3)
  expect(opened(sent)).toMatchObject({ ok: true })
  expect(opened(loseLateFields(sent))).toMatchObject({
    refusal: { code: 'verdict_count_mismatch' },
  })
})
