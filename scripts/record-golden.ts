// Records what a client of this build sends, byte for byte: `npm run golden -- RELEASE`. A file that is
// there stays as it is: later builds are held to it.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { create, toBinary } from '@bufbuild/protobuf'
import { BinaryWriter } from '@bufbuild/protobuf/wire'
import { invariant } from '#kernel/index.ts'
import { rechunk } from '../src/wire/damage.fixture.ts'
import {
  SubmitOrdersRequestSchema,
  SubmittedOrderSchema,
} from '../src/wire/gen/holdfast/orders/v1/intake_pb.js'
import type { SubmittedOrder } from '../src/wire/gen/holdfast/orders/v1/intake_pb.js'
import { ReviewVerdict } from '../src/wire/gen/holdfast/orders/v1/review_pb.js'
import { encode, record, seal } from '../src/wire/record.fixture.ts'
import { submittedOrderDigest } from '../src/wire/submitted-order.ts'

const FOLDER = 'tests/golden'
const [release] = process.argv.slice(2)
invariant(release !== undefined, 'the name of a release is given')

const VERDICTS = ['clear', 'hold', 'unspecified', 'clear'] as const
const batch = (first: number, name: string): readonly Uint8Array[] =>
  encode(
    seal(
      VERDICTS.map((verdict, index) => record(first + index, { verdict })),
      `hov_${name}`,
    ).envelopes,
  )

// Numbers of a release of its own, since all of them are replayed into one database.
const first =
  100_000 + (Buffer.from(release).reduce((sum, byte) => sum * 31 + byte, 7) % 9_000) * 100
write('handover', batch(first, `${release}-whole`))
write('handover-in-chunks', rechunk(batch(first + 10, `${release}-chunks`), 1))
write('handover-cut', batch(first + 20, `${release}-cut`).slice(0, -1))
write(
  'intake',
  intake('plain', () => undefined),
)
write(
  'intake-digests',
  intake('digests', (order) => {
    order.contentDigest = Uint8Array.from(submittedOrderDigest(order) ?? [])
  }),
)

function intake(name: string, mend: (order: SubmittedOrder) => void): readonly Uint8Array[] {
  const orders = [
    { orderId: `${release}-${name}-1`, customer: 'C-1', country: 'GB' },
    {
      orderId: `${release}-${name}-2`,
      customer: 'C-1',
      country: 'GB',
      reviewVerdict: ReviewVerdict.HOLD,
    },
    { orderId: `${release}-${name}-3`, country: 'FR' },
  ].map((one) =>
    create(SubmittedOrderSchema, {
      ...one,
      placedAt: '2026-02-07T13:44:00Z',
      shipBy: '2026-02-10',
      currency: 'GBP',
      lines: [
        { sku: 'A', qty: 2, unitPriceMinor: 500n },
        { sku: 'B', qty: 1 },
      ],
      charges: [{ code: 'POST', qty: 1, unitPriceMinor: 399n }],
      shipTo: { name: 'Ada', street: '1 High Street', country: one.country },
    }),
  )
  const unknown = create(SubmittedOrderSchema, {
    orderId: `${release}-${name}-4`,
    currency: 'GBP',
    lines: [{ sku: 'NOT-SOLD', qty: 1 }],
  })
  for (const order of [...orders, unknown]) mend(order)
  return [
    create(SubmitOrdersRequestSchema, { part: { case: 'open', value: { streamId: name } } }),
    create(SubmitOrdersRequestSchema, {
      part: { case: 'chunk', value: { number: 1, orders: [...orders, unknown] } },
    }),
    create(SubmitOrdersRequestSchema, { part: { case: 'seal', value: { chunks: 1, orders: 4 } } }),
  ].map((message) => toBinary(SubmitOrdersRequestSchema, message))
}

function write(name: string, messages: readonly Uint8Array[]): void {
  const path = `${FOLDER}/${release}-${name}.bin`
  if (existsSync(path)) return
  mkdirSync(FOLDER, { recursive: true })
  const writer = new BinaryWriter()
  for (const message of messages) writer.bytes(message)
  writeFileSync(path, writer.finish())
}
