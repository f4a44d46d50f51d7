import { fromBinary } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import type { ServiceImpl } from '@connectrpc/connect'
import {
  EnvelopeKind,
  HandoffService,
  MESSAGE_BYTES_MAX,
  ownLimits,
  RecordChunkSchema,
  ReviewVerdict,
} from '#wire/index.ts'
import { PARTNERS } from '../partners/start-partners.ts'
import type { Books } from './open-books.ts'

/**
 * The receiving end of the report's system: it believes what it can decode. An absent verdict reads as
 * "not held", no manifest, digest or certificate is looked at, and nobody is told.
 */
export function unguardedReceiver(books: Books): ServiceImpl<typeof HandoffService> {
  return {
    getLimits: () => ownLimits(MESSAGE_BYTES_MAX),
    withdraw: () => {
      throw new ConnectError('nothing is withdrawn here', Code.Unimplemented)
    },
    decide: () => {
      throw new ConnectError('nothing is held here', Code.Unimplemented)
    },
    async *handOver(requests) {
      const rows: OrderRow[] = []
      for await (const { kind, payload } of requests) {
        if (kind === EnvelopeKind.RECORDS) rows.push(...readOrders(payload))
      }
      await books.pool.query(INSERT, [JSON.stringify(rows)])
      yield {}
    },
  }
}

type OrderRow = {
  readonly id: string
  readonly number: number
  readonly partner: string
  readonly held: boolean
  readonly lines: readonly { readonly sku: string; readonly qty: number }[]
}

const INSERT = `
  insert into lab.fulfillment_order (id, number, partner, held, lines)
  select id, number, partner, held, lines
    from jsonb_to_recordset($1::jsonb)
      as r(id text, number int, partner text, held boolean, lines jsonb)`

function readOrders(payload: Uint8Array): OrderRow[] {
  return fromBinary(RecordChunkSchema, payload).records.map((one) => {
    const number = Number(one.orderId)
    return {
      id: `ful_${one.orderId}`,
      number,
      partner: PARTNERS[number % PARTNERS.length]?.id ?? '',
      held: one.reviewVerdict === ReviewVerdict.HOLD,
      lines: one.lines.map(({ sku, qty }) => ({ sku, qty })),
    }
  })
}
