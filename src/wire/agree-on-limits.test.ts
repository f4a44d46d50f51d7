import { equals, fromBinary, toBinary } from '@bufbuild/protobuf'
import { expect, test } from 'vitest'
import { agreeOnLimits, ownLimits } from './agree-on-limits.ts'
import { MESSAGE_BYTES_MAX } from './envelope.ts'
import { GetLimitsResponseSchema } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { refusalOf } from './record.fixture.ts'
import { criticalPaths, pathName, tamperingsOf } from './tamper.fixture.ts'

const OWN = ownLimits(MESSAGE_BYTES_MAX)
const ROWS = criticalPaths(GetLimitsResponseSchema).map((path) => [pathName(path), path] as const)

test('two ends that are configured alike agree', () => {
  expect(agreeOnLimits(OWN, ownLimits(MESSAGE_BYTES_MAX))).toMatchObject({ ok: true })
})

test('no limit is left out of the comparison', () => {
  expect(ROWS).toHaveLength(GetLimitsResponseSchema.fields.length)
})

test.each(ROWS)('two ends that differ in %s do not begin, in either direction', (name, path) => {
  const bytes = toBinary(GetLimitsResponseSchema, OWN)
  for (const one of tamperingsOf(GetLimitsResponseSchema, path)) {
    const other = fromBinary(GetLimitsResponseSchema, one.apply(bytes, 0))
    // Half of a schema version of one is none.
    expect(equals(GetLimitsResponseSchema, other, OWN)).toBe(false)
    for (const outcome of [agreeOnLimits(OWN, other), agreeOnLimits(other, OWN)]) {
      expect(refusalOf(outcome)).toMatchObject({
        code: 'handover_limits_differ',
        detail: expect.stringContaining(name),
      })
    }
  }
})
