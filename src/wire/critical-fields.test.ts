import { clearField, create, fromBinary, isFieldSet, toBinary } from '@bufbuild/protobuf'
import type { DescMessage } from '@bufbuild/protobuf'
import { afterAll, describe, expect, test } from 'vitest'
import { bytesEqual, invariant, REFUSALS } from '#kernel/index.ts'
import { checkReceipt } from './check-receipt.ts'
import {
  EndSchema,
  HandOverRequestSchema,
  HandOverResponseSchema,
  ManifestSchema,
  OrderRecordSchema,
  RecordChunkSchema,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { fromMessage, toMessage } from './hand-over-record.ts'
import type { HandOverRecord } from './hand-over-record.ts'
import { firstFault, handOverReader } from './open-hand-over.ts'
import { encode, KEYS, record, seal } from './record.fixture.ts'
import { enveloped, relaysOf } from './relay.fixture.ts'
import { settleVerdict } from './settle-verdict.ts'
import { criticalPaths, pathName, tamperingsOf } from './tamper.fixture.ts'
import type { FieldPath, Tampering } from './tamper.fixture.ts'

const SHIP_TO = {
  name: 'Ada Löwe',
  street: '1 High Street',
  city: 'London',
  region: 'Greater London',
  postal_code: 'N1 1AA',
  country: 'GB',
  phone: '+44 20 7946 0000',
  email: 'ada@example.com',
}
const RECORDS = [
  record(0, { shipTo: SHIP_TO, revision: 2 }),
  record(1, { shipTo: SHIP_TO, verdict: 'hold' }),
  record(2),
  record(3, { verdict: 'unspecified' }),
]
const SENT = { ...seal(RECORDS), holds: 2 }
const PAYLOADS = SENT.envelopes.map((one) => one.payload)
const RELAYS = relaysOf(SENT.envelopes)

/** The bytes of everything in a record that is critical. */
function criticalBytes(one: HandOverRecord): Uint8Array {
  const message = toMessage(one)
  const own = new Set(criticalPaths(OrderRecordSchema).map(([field]) => field))
  for (const field of OrderRecordSchema.fields) if (!own.has(field)) clearField(message, field)
  return toBinary(OrderRecordSchema, message)
}

const CLEARED = new Map(
  RECORDS.filter((one) => one.verdict === 'clear').map((one) => [one.orderId, criticalBytes(one)]),
)

/** What comes of a stream: a refusal, `held`, `receipt_mismatch`, `unharmed`, or what is WRONG. */
function judge(stream: readonly Uint8Array[]): string {
  const reader = handOverReader()
  for (const bytes of stream) {
    const envelope = parsed(bytes)
    if (!envelope) break
    const pushed = reader.push(envelope)
    if (!pushed.ok) return known(pushed.refusal.code)
  }
  const read = reader.finish()
  const finished = read.ok ? firstFault(read.value) : read
  if (!finished.ok) return known(finished.refusal.code)
  const { records, batchId, digest } = finished.value
  const cleared = records.filter((one) => settleVerdict(one, KEYS).kind === 'clear')
  const wrong = cleared.find((one) => {
    const sent = CLEARED.get(one.orderId)
    return !sent || !bytesEqual(sent, criticalBytes(one))
  })
  if (wrong) return `WRONG: ${wrong.orderId} is cleared`
  const receipt = create(HandOverResponseSchema, {
    batchId,
    rollingDigest: digest,
    records: records.length,
    clears: cleared.length,
    holds: records.length - cleared.length,
  })
  if (checkReceipt(SENT, receipt).ok) {
    return bytesEqual(digest, SENT.digest) ? 'unharmed' : 'WRONG: the sender believes it'
  }
  return cleared.length < CLEARED.size ? 'held' : 'receipt_mismatch'
}

function parsed(bytes: Uint8Array) {
  try {
    return fromBinary(HandOverRequestSchema, bytes)
  } catch {
    return undefined
  }
}

const known = (code: string): string =>
  Object.hasOwn(REFUSALS, code) ? code : `WRONG: ${code} is not in the catalogue`

const counts = { fields: 0, tamperings: 0 }
const answers = new Map<string, number>()
function count(answer: string): string {
  counts.tamperings += 1
  answers.set(answer, (answers.get(answer) ?? 0) + 1)
  return answer
}

/** Every answer to tampering with one field, by how it was done. */
function answersOf(
  root: DescMessage,
  path: FieldPath,
  streamsOf: (one: Tampering) => readonly (readonly [string, readonly Uint8Array[] | undefined])[],
): readonly (readonly [string, string])[] {
  counts.fields += 1
  return tamperingsOf(root, path).flatMap((one) =>
    streamsOf(one).flatMap(([how, stream]) =>
      stream ? [[`${one.name}, ${how}`, count(judge(stream))] as const] : [],
    ),
  )
}

/** What is wrong with the answers; losing the field must never be without one. */
function faultsIn(
  given: readonly (readonly [string, string])[],
  dropped: string,
): readonly string[] {
  const wrong = given.filter(([, answer]) => answer.startsWith('WRONG'))
  const lost = given.filter(([how, answer]) => how === dropped && answer !== 'unharmed')
  if (given.length < 3) return [`only ${given.length} answers`]
  if (lost.length !== 1) return ['losing it changes nothing']
  return wrong.map(([how, answer]) => `${how}: ${answer}`)
}

const rows = (root: DescMessage) =>
  criticalPaths(root).map((path) => [pathName(path), path] as const)

describe('a critical field of the hand-over, tampered with in any way', () => {
  test('belongs to a stream that opens unharmed before', () => {
    expect(judge(encode(SENT.envelopes))).toBe('unharmed')
    expect(judge(enveloped(PAYLOADS, 4, true))).toBe('unharmed')
  })

  test.each(rows(HandOverRequestSchema))('envelope %s refuses the batch', (_, path) => {
    const whole = encode(SENT.envelopes)
    const given = answersOf(HandOverRequestSchema, path, (one) =>
      whole.map((bytes, at) => [String(at), whole.with(at, one.apply(bytes, 0))]),
    )
    expect(faultsIn(given, 'dropped, 1')).toEqual([])
    expect(given.filter(([, answer]) => answer === 'held')).toEqual([])
  })

  test.each(rows(ManifestSchema))('manifest %s refuses the batch', (_, path) => {
    const [payload = new Uint8Array()] = PAYLOADS
    const given = answersOf(ManifestSchema, path, (one) => relayed(0, one.apply(payload, 0)))
    expect(faultsIn(given, 'dropped, mended')).toEqual([])
  })

  test.each(rows(RecordChunkSchema))('%s is refused or held', (_, path) => {
    const payload = PAYLOADS[1] ?? new Uint8Array()
    const given = answersOf(RecordChunkSchema, path, (one) =>
      [0, 1, 2].flatMap((occurrence) =>
        relayed(1, one.apply(payload, occurrence)).map(
          ([how, stream]) => [`record ${occurrence} ${how}`, stream] as const,
        ),
      ),
    )
    expect(faultsIn(given, 'dropped, record 0 mended')).toEqual([])
  })

  test.each(rows(EndSchema))('END %s refuses the batch', (_, path) => {
    const payload = PAYLOADS[2] ?? new Uint8Array()
    const given = answersOf(EndSchema, path, (one) => relayed(2, one.apply(payload, 0)))
    expect(faultsIn(given, 'dropped, mended')).toEqual([])
  })

  test.each(rows(HandOverResponseSchema))('receipt %s is not believed', (_, path) => {
    const echo = create(HandOverResponseSchema, {
      batchId: SENT.batchId,
      rollingDigest: SENT.digest,
      records: 4,
      holds: 2,
      clears: 2,
    })
    counts.fields += 1
    expect(checkReceipt(SENT, echo).ok).toBe(true)
    for (const one of tamperingsOf(HandOverResponseSchema, path)) {
      const bytes = one.apply(toBinary(HandOverResponseSchema, echo), 0)
      const outcome = checkReceipt(SENT, fromBinary(HandOverResponseSchema, bytes))
      expect({ how: one.name, ok: outcome.ok }).toEqual({ how: one.name, ok: false })
      count('receipt_mismatch')
    }
  })

  afterAll(() => {
    console.info(
      `${counts.fields} critical fields of the hand-over, ${counts.tamperings} tamperings by answer:`,
      Object.fromEntries(answers),
    )
  })
})

function relayed(at: number, payload: Uint8Array) {
  return [...RELAYS].map(([how, relay]) => [how, relay(at, payload)] as const)
}

test('a record of these tests is what its message says, so that every field is in it', () => {
  const [first] = RECORDS
  invariant(first, 'there is a record')
  const message = toMessage(first)
  const empty = OrderRecordSchema.fields.filter((field) => !isFieldSet(message, field))
  expect(empty.map((field) => field.name)).toEqual(['reasons'])
  expect(fromMessage(toMessage(first)).shipTo).toEqual(SHIP_TO)
})
