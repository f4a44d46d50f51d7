import { fromBinary, ScalarType, toBinary } from '@bufbuild/protobuf'
import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { describe, expect, test } from 'vitest'
import {
  file_holdfast_fulfillment_v1_handoff,
  OrderRecordSchema,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import {
  file_holdfast_orders_v1_intake,
  SubmittedOrderSchema,
} from './gen/holdfast/orders/v1/intake_pb.js'
import {
  file_holdfast_orders_v1_review,
  ReviewVerdict,
  ReviewVerdictSchema,
} from './gen/holdfast/orders/v1/review_pb.js'
import { fromMessage, toMessage } from './hand-over-record.ts'
import { KEYS, record } from './record.fixture.ts'
import { settleVerdict } from './settle-verdict.ts'

/** What the sender of the incident wrote: `optional bool hold_for_review = 47`. */
const oldVerdict = (isHeld: boolean): Uint8Array =>
  new BinaryWriter().tag(47, WireType.Varint).bool(isHeld).finish()

// The certificate would verify: only the verdict itself stands between this order and the partner.
const { approval } = record(1)
const UNDECIDED = record(1, { verdict: 'unspecified', approval })
const ORDER = toBinary(OrderRecordSchema, toMessage(UNDECIDED))
const withField = (field: Uint8Array): Uint8Array => Buffer.concat([ORDER, field])

describe('field 47', () => {
  test('is a varint under the bytes f8 02, as hold_for_review was', () => {
    expect(Buffer.from(oldVerdict(true)).toString('hex')).toBe('f80201')
    const held = toBinary(OrderRecordSchema, toMessage(record(1, { verdict: 'hold' })))
    expect(Buffer.from(held).toString('hex')).toContain('f80201')
  })

  test.each([
    ['true', oldVerdict(true), ReviewVerdict.HOLD],
    ['false', oldVerdict(false), ReviewVerdict.UNSPECIFIED],
    ['absent', new Uint8Array(), ReviewVerdict.UNSPECIFIED],
  ])('of an old sender that is %s reads the same at both streams', (_, field, verdict) => {
    expect(fromBinary(OrderRecordSchema, withField(field)).reviewVerdict).toBe(verdict)
    expect(fromBinary(SubmittedOrderSchema, field).reviewVerdict).toBe(verdict)
  })

  test.each([
    ['true', oldVerdict(true)],
    ['false', oldVerdict(false)],
    ['absent', new Uint8Array()],
    ['no number of ours', Uint8Array.of(0xf8, 0x02, 0x03)],
    ['negative', new BinaryWriter().tag(47, WireType.Varint).int32(-1).finish()],
  ])('that is %s holds, whatever certificate lies beside it', (_, field) => {
    const read = fromMessage(fromBinary(OrderRecordSchema, withField(field)))
    expect(settleVerdict(read, KEYS)).toEqual({ kind: 'hold', reasons: ['verdict_missing'] })
  })

  test('has nobody-said as its zero, which is what a lost byte leaves', () => {
    expect(ReviewVerdictSchema.values.map(({ name, number }) => `${name} ${number}`)).toEqual([
      'REVIEW_VERDICT_UNSPECIFIED 0',
      'REVIEW_VERDICT_HOLD 1',
      'REVIEW_VERDICT_CLEAR 2',
    ])
  })
})

describe('the published schema', () => {
  const files = [
    file_holdfast_fulfillment_v1_handoff,
    file_holdfast_orders_v1_review,
    file_holdfast_orders_v1_intake,
  ]
  const messages = files.flatMap((file) => file.messages.flatMap(withNested))

  test('keeps the number of every field: a field may be added here, never changed', () => {
    const fields = Object.fromEntries(
      messages.map((one) => [one.typeName, one.fields.map(declaration)]),
    )
    expect(fields).toEqual(FIELDS)
  })

  test('keeps its services and methods', () => {
    const methods = files.flatMap((file) =>
      file.services.flatMap((service) =>
        service.methods.map((one) => `${service.typeName}/${one.name} ${one.methodKind}`),
      ),
    )
    expect(methods).toEqual([
      'holdfast.fulfillment.v1.HandoffService/GetLimits unary',
      'holdfast.fulfillment.v1.HandoffService/HandOver bidi_streaming',
      'holdfast.fulfillment.v1.HandoffService/Withdraw unary',
      'holdfast.fulfillment.v1.HandoffService/Decide unary',
      'holdfast.orders.v1.OrderIntakeService/SubmitOrders bidi_streaming',
    ])
  })
})

function withNested(message: DescMessage): DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(withNested)]
}

// As a .proto file would say it: a changed type breaks the wire as surely as a changed number.
function declaration(field: DescField): string {
  const type =
    field.message?.name ?? field.enum?.name ?? ScalarType[field.scalar ?? 0]?.toLowerCase()
  const label = field.fieldKind === 'list' ? 'repeated ' : ''
  return `${field.number} ${label}${type} ${field.name}`
}

const FIELDS = {
  'holdfast.fulfillment.v1.Allocation': ['1 string location_id', '2 uint32 qty'],
  'holdfast.fulfillment.v1.DecidePart': [
    '1 string fulfillment_id',
    '2 string partner_id',
    '3 string location_id',
    '4 PartState state',
    '5 uint32 parcels',
  ],
  'holdfast.fulfillment.v1.DecideRequest': [
    '1 string merchant',
    '2 string order_id',
    '3 string decision_id',
    '4 uint32 revision',
    '5 DecideAction action',
    '6 bytes proof',
  ],
  'holdfast.fulfillment.v1.DecideResponse': [
    '1 string decision_id',
    '2 string order_id',
    '3 uint32 revision',
    '4 DecideAction action',
    '5 DecideOutcome outcome',
    '6 repeated DecidePart parts',
    '7 bytes proof',
  ],
  'holdfast.fulfillment.v1.End': [
    '1 uint32 envelope_count',
    '2 uint32 record_count',
    '3 uint64 payload_bytes',
    '4 bytes rolling_digest',
  ],
  'holdfast.fulfillment.v1.GetLimitsRequest': [],
  'holdfast.fulfillment.v1.GetLimitsResponse': [
    '1 uint32 schema_version',
    '2 uint32 message_bytes_max',
    '3 uint32 envelope_bytes_max',
    '4 uint32 batch_bytes_max',
    '5 uint32 records_max',
  ],
  'holdfast.fulfillment.v1.HandOverRequest': [
    '1 uint32 sequence',
    '2 EnvelopeKind kind',
    '3 uint32 schema_version',
    '4 uint32 length',
    '5 bytes sha256',
    '6 bytes payload',
  ],
  'holdfast.fulfillment.v1.HandOverResponse': [
    '1 string batch_id',
    '2 bytes rolling_digest',
    '3 uint32 records',
    '4 uint32 holds',
    '5 uint32 clears',
  ],
  'holdfast.fulfillment.v1.Manifest': [
    '1 string batch_id',
    '2 string merchant',
    '3 uint32 record_count',
    '4 uint32 line_count',
    '5 uint32 hold_count',
    '6 uint32 clear_count',
    '7 uint32 unspecified_count',
    '8 bytes records_digest',
    '9 string provenance',
  ],
  'holdfast.fulfillment.v1.OrderLine': [
    '1 uint32 line',
    '2 string sku',
    '3 uint32 qty',
    '4 repeated Allocation allocations',
    '5 int64 unit_price_minor',
  ],
  'holdfast.fulfillment.v1.OrderRecord': [
    '1 string merchant',
    '2 string order_id',
    '3 string order_number',
    '4 uint32 revision',
    '5 string currency',
    '6 repeated OrderLine lines',
    '7 Address ship_to',
    '8 bytes order_digest',
    '9 string decision_id',
    '10 uint32 decision_number',
    '11 int64 effective_at',
    '12 repeated string reasons',
    '13 string decided_by',
    '14 string key_id',
    '15 int64 ship_by',
    '16 string identity',
    '47 ReviewVerdict review_verdict',
    '48 bytes approval',
  ],
  'holdfast.fulfillment.v1.RecordChunk': ['1 repeated OrderRecord records'],
  'holdfast.fulfillment.v1.WithdrawRequest': [
    '1 string merchant',
    '2 string order_id',
    '3 string withdrawal_id',
    '4 uint32 revision',
    '5 WithdrawKind kind',
  ],
  'holdfast.fulfillment.v1.WithdrawResponse': [
    '1 string withdrawal_id',
    '2 WithdrawOutcome outcome',
    '3 string order_id',
    '4 uint32 revision',
    '5 WithdrawKind kind',
    '6 bytes proof',
    '7 repeated string freed_locations',
  ],
  'holdfast.orders.v1.Address': [
    '1 string name',
    '2 string street',
    '3 string city',
    '4 string region',
    '5 string postal_code',
    '6 string country',
    '7 string phone',
    '8 string email',
  ],
  'holdfast.orders.v1.OrderReceipt': [
    '1 string order_id',
    '2 string id',
    '3 string order_number',
    '4 ReviewVerdict review_verdict',
    '5 repeated string reasons',
    '6 bool known',
    '7 string refusal_code',
    '8 string refusal_detail',
    '9 string refusal_field',
  ],
  'holdfast.orders.v1.SubmitOrdersRequest': ['1 Open open', '2 OrderChunk chunk', '3 Seal seal'],
  'holdfast.orders.v1.SubmitOrdersRequest.Open': ['1 string stream_id', '2 bool requires_digests'],
  'holdfast.orders.v1.SubmitOrdersRequest.OrderChunk': [
    '1 uint32 number',
    '2 repeated SubmittedOrder orders',
  ],
  'holdfast.orders.v1.SubmitOrdersRequest.Seal': ['1 uint32 chunks', '2 uint32 orders'],
  'holdfast.orders.v1.SubmitOrdersResponse': ['1 ChunkReceipt chunk', '2 StreamReceipt stream'],
  'holdfast.orders.v1.SubmitOrdersResponse.ChunkReceipt': [
    '1 uint32 number',
    '2 repeated OrderReceipt orders',
  ],
  'holdfast.orders.v1.SubmitOrdersResponse.StreamReceipt': [
    '1 uint32 chunks',
    '2 uint32 placed',
    '3 uint32 known',
    '4 uint32 refused',
  ],
  'holdfast.orders.v1.SubmittedCharge': [
    '1 string code',
    '2 sint32 qty',
    '3 sint64 unit_price_minor',
  ],
  'holdfast.orders.v1.SubmittedLine': ['1 string sku', '2 uint32 qty', '3 int64 unit_price_minor'],
  'holdfast.orders.v1.SubmittedOrder': [
    '1 string order_id',
    '2 string placed_at',
    '3 string customer',
    '4 string country',
    '5 string currency',
    '6 repeated SubmittedLine lines',
    '7 repeated SubmittedCharge charges',
    '8 Address ship_to',
    '9 bytes content_digest',
    '10 string ship_by',
    '47 ReviewVerdict review_verdict',
    '48 bytes approval',
  ],
}
