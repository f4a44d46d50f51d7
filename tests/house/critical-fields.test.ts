import { readdirSync, readFileSync } from 'node:fs'
import { createFileRegistry, fromBinary, getOption, hasOption } from '@bufbuild/protobuf'
import type { DescField, DescFile, DescMessage } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { expect, test } from 'vitest'
import { file_holdfast_fulfillment_v1_handoff } from '../../src/wire/gen/holdfast/fulfillment/v1/handoff_pb.js'
import { critical, not_critical } from '../../src/wire/gen/holdfast/options/v1/options_pb.js'
import { file_holdfast_orders_v1_intake } from '../../src/wire/gen/holdfast/orders/v1/intake_pb.js'
import { file_holdfast_orders_v1_review } from '../../src/wire/gen/holdfast/orders/v1/review_pb.js'

const fields = [
  file_holdfast_fulfillment_v1_handoff,
  file_holdfast_orders_v1_intake,
  file_holdfast_orders_v1_review,
].flatMap(fieldsOf)

test('every field of the streams is marked critical, or says why it is not', () => {
  expect(fields.length).toBeGreaterThanOrEqual(114)
  expect(fields.flatMap(faults)).toEqual([])
  const marked = fields.filter((field) => getOption(field, critical))
  expect(marked.length).toBeGreaterThanOrEqual(91)
  console.info(`${fields.length} fields of the streams, ${marked.length} of them critical`)
})

test('every message that a stream can carry is looked at', () => {
  const files = readdirSync('proto', { recursive: true, encoding: 'utf8' })
  // Those three, and the one that defines the marks.
  expect(files.filter((name) => name.endsWith('.proto'))).toHaveLength(4)
  const seen = new Set(fields)
  const carried = [file_holdfast_fulfillment_v1_handoff, file_holdfast_orders_v1_intake].flatMap(
    (file) =>
      file.services.flatMap((one) =>
        one.methods.flatMap((method) => [method.input, method.output]),
      ),
  )
  const nested = [...new Set(carried.flatMap((one) => Array.from(messagesBelow(one))))]
  expect(nested.length).toBeGreaterThan(10)
  expect(nested.flatMap((one) => one.fields).filter((field) => !seen.has(field))).toEqual([])
})

test('the guard sees a field that says neither', () => {
  // The image of release 0.1.0 was made before fields said so.
  const image = fromBinary(FileDescriptorSetSchema, readFileSync('proto/released/v1.binpb'))
  const released = [...createFileRegistry(image).files].flatMap(fieldsOf)
  expect(released.length).toBeGreaterThan(100)
  expect(released.flatMap(faults)).toHaveLength(released.length)
})

function fieldsOf(file: DescFile): readonly DescField[] {
  const withNested = (one: DescMessage): readonly DescMessage[] => [
    one,
    ...one.nestedMessages.flatMap(withNested),
  ]
  return file.messages.flatMap(withNested).flatMap((one) => one.fields)
}

function messagesBelow(message: DescMessage, seen = new Set<DescMessage>()): Set<DescMessage> {
  if (seen.has(message)) return seen
  seen.add(message)
  for (const { message: below } of message.fields) if (below) messagesBelow(below, seen)
  return seen
}

function faults(field: DescField): readonly string[] {
  const name = `${field.parent.typeName}.${field.name}`
  const isCritical = hasOption(field, critical) && getOption(field, critical)
  const reason = hasOption(field, not_critical) ? getOption(field, not_critical) : ''
  if (isCritical && reason !== '') return [`${name} is both critical and not`]
  if (isCritical) return []
  if (reason === '') return [`${name} is neither critical nor declared not to be`]
  return /^[A-Z].{20,}\.$/.test(reason) ? [] : [`${name} has no reason that is a sentence`]
}
