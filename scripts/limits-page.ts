import { RESPONSE_KEPT_BYTES } from '../src/fulfillment/dispatch/complete-dispatch.ts'
import { BATCH_ORDERS_MAX } from '../src/fulfillment/seal/seal-body.ts'
import { EVENT_BYTES_MAX } from '../src/fulfillment/ship/inbound.http.ts'
import { CHUNK_ORDERS_MAX } from '../src/orders/intake.grpc.ts'
import { QUEUE_MAX } from '../src/orders/place/place-orders.ts'
import { LINE_BYTES_MAX, REFUSALS_KEPT_MAX } from '../src/platform/files/index.ts'
import { BODY_MAX_BYTES } from '../src/platform/http/serve-route.ts'
import { HEADER_BYTES_MAX } from '../src/platform/http/server.ts'
import { STREAMS_MAX, STREAMS_OF_CALLER_MAX } from '../src/subscriptions/event-stream.ts'
import {
  HAND_OVER_LIMITS,
  MESSAGE_BYTES_MAX,
  ORDER_LINES_MAX,
  ORDER_PARTS_MAX,
  SEALED_BYTES_MAX,
} from '../src/wire/index.ts'

const bytes = (count: number): string =>
  count % 1_048_576 === 0 ? `${count / 1_048_576} MiB` : `${count / 1_024} KiB`
const whole = (count: number): string => count.toLocaleString('en')

/** Every limit that a caller, a partner or a file can meet: what, how much, and the code above it. */
export function limitRows(): readonly (readonly string[])[] {
  return [
    [
      'lines of an order, a parcel, a return',
      whole(ORDER_LINES_MAX),
      '`body_invalid`, `row_invalid`',
    ],
    [
      'lines of an order as one sealed body',
      bytes(SEALED_BYTES_MAX),
      '`order_too_large`, at intake',
    ],
    [
      'parts of an order over stock locations',
      whole(ORDER_PARTS_MAX),
      '`order_too_large`, at intake',
    ],
    ['orders of one dispatch', whole(BATCH_ORDERS_MAX), 'the next dispatch takes the rest'],
    ['one sealed body', bytes(SEALED_BYTES_MAX), '`dispatch_too_large`, held for a person'],
    ['request line and headers', bytes(HEADER_BYTES_MAX), '`headers_too_large`'],
    [
      'body of a request where its route says nothing else',
      bytes(BODY_MAX_BYTES),
      '`body_too_large`',
    ],
    ['body of a partner event', bytes(EVENT_BYTES_MAX), '`body_too_large`'],
    ['answer of a partner that is kept', bytes(RESPONSE_KEPT_BYTES), 'the rest is cut off'],
    ['orders of a chunk of the intake stream', whole(CHUNK_ORDERS_MAX), '`handover_too_large`'],
    ['one gRPC message', bytes(MESSAGE_BYTES_MAX), 'RESOURCE_EXHAUSTED'],
    [
      'one envelope of the hand-over',
      bytes(HAND_OVER_LIMITS.envelopeBytesMax),
      '`handover_too_large`',
    ],
    ['one batch of the hand-over', bytes(HAND_OVER_LIMITS.batchBytesMax), '`handover_too_large`'],
    ['records of a batch', whole(HAND_OVER_LIMITS.recordsMax), '`handover_too_large`'],
    ['line of a file', bytes(LINE_BYTES_MAX), '`row_invalid`'],
    ['refusals of a file that are named', whole(REFUSALS_KEPT_MAX), 'the rest is counted'],
    ['orders that wait to be placed in one process', whole(QUEUE_MAX), '`overloaded`'],
    ['event streams of one process', whole(STREAMS_MAX), '`overloaded`'],
    ['event streams of one key or person', whole(STREAMS_OF_CALLER_MAX), '`streams_full`'],
  ]
}
