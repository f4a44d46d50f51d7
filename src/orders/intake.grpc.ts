import { Code, ConnectError } from '@connectrpc/connect'
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect'
import { invariant, REFUSALS } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import type { Caller } from '#platform/index.ts'
import { checkSubmittedOrder, OrderIntakeService, ReviewVerdict } from '#wire/index.ts'
import type { OrderReceipt, SubmittedOrder, SubmitOrdersRequest } from '#wire/index.ts'
import { orderInput } from './order-input.ts'
import type { OrderPlacing } from './place/place-orders.ts'
import type { PlaceOutcome } from './place/place-request.ts'

/** Finds out who calls from the metadata; throws where nobody valid does. */
export type CallerOf = (authorization: string | null) => Promise<Caller | undefined>

/** Orders a chunk may hold; the message limit of the server bounds its bytes. */
export const CHUNK_ORDERS_MAX = 500

type Totals = { chunks: number; orders: number; placed: number; known: number; refused: number }
type Receipt = {
  -readonly [K in keyof OrderReceipt as K extends `$${string}` ? never : K]?: OrderReceipt[K]
}

/** Serves the intake stream. Access: an API key with `orders:submit`; each placed order is an event. */
export function intakeService(deps: { placing: OrderPlacing; callerOf: CallerOf }) {
  return (router: ConnectRouter): void => {
    router.service(OrderIntakeService, {
      async *submitOrders(requests: AsyncIterable<SubmitOrdersRequest>, context: HandlerContext) {
        await requireSubmitter(deps.callerOf, context)
        const totals: Totals = { chunks: 0, orders: 0, placed: 0, known: 0, refused: 0 }
        let isOpen = false
        let requiresDigests = false
        for await (const { part } of requests) {
          if (part.case === 'open') {
            if (isOpen || !part.value.streamId)
              throw refused('envelope_kind', 'open comes once, first, with a stream id')
            isOpen = true
            requiresDigests = part.value.requiresDigests
          } else if (part.case === 'chunk' && isOpen) {
            totals.chunks += 1
            if (part.value.number !== totals.chunks)
              throw refused('envelope_sequence', `chunk ${totals.chunks} was expected`)
            if (part.value.orders.length > CHUNK_ORDERS_MAX) {
              throw refused(
                'handover_too_large',
                `a chunk holds at most ${CHUNK_ORDERS_MAX} orders`,
              )
            }
            const place = placeWith(deps.placing, requiresDigests)
            const orders = await placeChunk(place, part.value.orders, totals)
            yield { part: { case: 'chunk' as const, value: { number: totals.chunks, orders } } }
          } else if (part.case === 'seal' && isOpen) {
            if (part.value.chunks !== totals.chunks || part.value.orders !== totals.orders) {
              throw refused('end_mismatch', 'the seal counts other chunks or orders than arrived')
            }
            const { chunks, placed, known, refused: no } = totals
            yield {
              part: { case: 'stream' as const, value: { chunks, placed, known, refused: no } },
            }
            return
          } else {
            throw refused('envelope_kind', 'a part is missing, unknown or out of place')
          }
        }
        throw refused('envelope_truncated', 'the stream ended without a seal')
      },
    })
  }
}

async function requireSubmitter(callerOf: CallerOf, context: HandlerContext): Promise<void> {
  const caller = await callerOf(context.requestHeader.get('authorization'))
  if (!caller) throw refused('unauthenticated', 'an API key is needed')
  if (!caller.scopes.has('orders:submit')) throw refused('forbidden', 'the key lacks orders:submit')
}

async function placeChunk(
  place: (order: SubmittedOrder) => Promise<Receipt>,
  orders: readonly SubmittedOrder[],
  totals: Totals,
): Promise<Receipt[]> {
  totals.orders += orders.length
  const receipts = await Promise.all(orders.map(place))
  for (const receipt of receipts) {
    if (receipt.refusalCode) totals.refused += 1
    else if (receipt.known) totals.known += 1
    else totals.placed += 1
  }
  return receipts
}

function placeWith(placing: OrderPlacing, requiresDigests: boolean) {
  return async (order: SubmittedOrder): Promise<Receipt> => {
    const whole = checkSubmittedOrder(order, requiresDigests)
    if (!whole.ok) return receiptOfRefusal(order.orderId, whole.refusal)
    return placeOne(placing, order)
  }
}

async function placeOne(placing: OrderPlacing, order: SubmittedOrder): Promise<Receipt> {
  const input = orderInput.safeParse(toInput(order))
  if (!input.success) {
    const [issue] = input.error.issues
    return receiptOfRefusal(order.orderId, {
      code: 'body_invalid',
      detail: issue?.message ?? 'the order is not valid',
      field: issue?.path.join('.') ?? '',
    })
  }
  if (!order.orderId) {
    return receiptOfRefusal('', {
      code: 'body_invalid',
      detail: 'a streamed order needs a reference',
      field: 'order_id',
    })
  }
  const submittedHold = order.reviewVerdict === ReviewVerdict.HOLD
  const outcome = await placing.place({
    input: input.data,
    source: 'grpc',
    isTrusted: true,
    submittedHold,
  })
  return receiptOf(order.orderId, outcome)
}

function receiptOf(orderId: string, outcome: PlaceOutcome): Receipt {
  if (outcome.kind === 'refused') return receiptOfRefusal(orderId, outcome.refusal)
  const { order } = outcome
  const verdicts = {
    hold: ReviewVerdict.HOLD,
    clear: ReviewVerdict.CLEAR,
    unset: ReviewVerdict.UNSPECIFIED,
  } as const
  return {
    orderId,
    id: order.id,
    orderNumber: order.orderNumber,
    reviewVerdict: verdicts[order.verdict],
    reasons: [...order.reasons],
    known: outcome.kind === 'replayed',
  }
}

function receiptOfRefusal(orderId: string, refusal: Refusal): Receipt {
  return {
    orderId,
    refusalCode: refusal.code,
    refusalDetail: refusal.detail,
    refusalField: refusal.field ?? '',
  }
}

// An empty string of protobuf is an absent member here; validation decides what may be absent.
function toInput(order: SubmittedOrder): unknown {
  const present = (text: string): string | undefined => (text === '' ? undefined : text)
  const to = order.shipTo
  return {
    order_id: present(order.orderId),
    placed_at: present(order.placedAt),
    ship_by: present(order.shipBy),
    customer: present(order.customer) ?? null,
    country: present(order.country) ?? null,
    currency: order.currency,
    lines: order.lines.map((line) => ({
      sku: line.sku,
      qty: line.qty,
      ...(line.unitPriceMinor === undefined
        ? {}
        : { unit_price_minor: Number(line.unitPriceMinor) }),
    })),
    ...(order.charges.length > 0
      ? {
          charges: order.charges.map((one) => ({
            code: one.code,
            qty: one.qty,
            unit_price_minor: Number(one.unitPriceMinor),
          })),
        }
      : {}),
    ...(to
      ? {
          ship_to: {
            name: present(to.name),
            street: present(to.street),
            city: present(to.city),
            region: present(to.region),
            postal_code: present(to.postalCode),
            country: present(to.country),
            phone: present(to.phone),
            email: present(to.email),
          },
        }
      : {}),
  }
}

function refused(code: keyof typeof REFUSALS, detail: string): ConnectError {
  const grpc = GRPC_CODES[REFUSALS[code].grpc]
  invariant(grpc !== undefined, `${code} has a gRPC code`)
  return new ConnectError(detail, grpc, { 'holdfast-code': code })
}

const GRPC_CODES: Partial<Record<string, Code>> = {
  invalid_argument: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  data_loss: Code.DataLoss,
  resource_exhausted: Code.ResourceExhausted,
}
