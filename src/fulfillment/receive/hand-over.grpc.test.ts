import { createServer } from 'node:http2'
import { ConnectError, createClient } from '@connectrpc/connect'
import type { Client } from '@connectrpc/connect'
import { connectNodeAdapter, createGrpcTransport } from '@connectrpc/connect-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId, orThrow } from '#kernel/index.ts'
import { internalToken } from '#wire/index.ts'
import { HandoffService, sealHandOver, WithdrawKind, WithdrawOutcome } from '#wire/index.ts'
import type { HandOverRequest, HandOverResponse } from '#wire/index.ts'
import { handOverService } from './hand-over.grpc.ts'
import { KEYS, MASTER_KEY, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'

let house: Warehouse
let client: Client<typeof HandoffService>
let close: () => void
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  const service = handOverService({
    context: house.context,
    masterKey: MASTER_KEY,
    reviewKeys: KEYS,
  })
  const server = createServer(
    connectNodeAdapter({ routes: (router) => router.service(HandoffService, service) }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` })
  client = createClient(HandoffService, transport)
  close = () => server.close()
})
afterAll(async () => {
  close()
  await house.stop()
})

const TOKEN = { authorization: `Bearer ${internalToken(MASTER_KEY)}` }
const sealed = (order: string) =>
  orThrow(
    sealHandOver({
      batchId: newId('hov'),
      merchant: 'main',
      provenance: 'prv_test',
      records: [record(order)],
    }),
  )
async function* stream(envelopes: readonly HandOverRequest[]): AsyncIterable<HandOverRequest> {
  yield* envelopes
}
const handOver = async (
  envelopes: readonly HandOverRequest[],
  headers: Record<string, string> = TOKEN,
) => {
  const receipts: HandOverResponse[] = []
  for await (const receipt of client.handOver(stream(envelopes), { headers }))
    receipts.push(receipt)
  return receipts
}
/** Our code and gRPC's, as a caller sees them. */
const refusalOf = async (call: Promise<unknown>) => {
  try {
    await call
    return 'accepted'
  } catch (fault) {
    const error = ConnectError.from(fault)
    return `${error.metadata.get('holdfast-code')} ${error.code}`
  }
}
const count = async (table: string): Promise<number> => {
  const rows = await house.query(`select count(*)::int as n from fulfillment.${table}`)
  return Number(rows[0]?.['n'])
}
const DATA_LOSS = 15
const UNAUTHENTICATED = 16

test('a whole stream is taken and its receipt echoes it', async () => {
  const batch = sealed('ord_g1')
  const [receipt] = await handOver(batch.envelopes)
  expect(receipt).toMatchObject({ batchId: batch.batchId, records: 1, holds: 0, clears: 1 })
  expect(Buffer.from(receipt?.rollingDigest ?? [])).toEqual(batch.digest)
})

test('a stream without END commits nothing and its bytes are kept', async () => {
  const [orders, kept] = [await count('received_order'), await count('quarantine')]
  const cut = sealed('ord_g2').envelopes.slice(0, -1)
  expect(await refusalOf(handOver(cut))).toBe(`envelope_truncated ${DATA_LOSS}`)
  expect([await count('received_order'), await count('quarantine')]).toEqual([orders, kept + 1])
  const rows = await house.query(
    `select code, octet_length(bytes) as bytes from fulfillment.quarantine order by id desc limit 1`,
  )
  const bytes = cut.reduce((sum, one) => sum + one.payload.length, 0)
  expect(rows).toEqual([{ code: 'envelope_truncated', bytes }])
})

test('a byte changed on the way refuses the batch', async () => {
  const envelopes = sealed('ord_g3').envelopes.map((one, index) => {
    if (index !== 1) return one
    const payload = Uint8Array.from(one.payload)
    payload[5] = (payload[5] ?? 0) ^ 1
    return Object.assign({}, one, { payload })
  })
  const orders = await count('received_order')
  expect(await refusalOf(handOver(envelopes))).toBe(`envelope_digest ${DATA_LOSS}`)
  expect(await count('received_order')).toBe(orders)
})

test('the same damage again is counted, and different damages are kept up to a bound and then counted', async () => {
  const cutOf = (order: string) => sealed(order).envelopes.slice(0, -1)
  const keptOf = () =>
    house.query(
      `select count(*)::int as rows, max(times) as most from fulfillment.quarantine
        where code = 'envelope_truncated'`,
    )
  // The record is the same, byte by byte; the batch id is another each time.
  const one = record('ord_again')
  const again = () =>
    orThrow(
      sealHandOver({ batchId: newId('hov'), merchant: 'main', provenance: 'p', records: [one] }),
    ).envelopes.slice(0, -1)
  const [before] = await keptOf()
  for (let n = 0; n < 5; n += 1) await refusalOf(handOver(again()))
  expect(await keptOf()).toEqual([{ rows: Number(before?.['rows']) + 1, most: 5 }])
  for (let n = 0; n < 20; n += 1) await refusalOf(handOver(cutOf(`ord_many_${n}`)))
  expect(await keptOf()).toEqual([{ rows: 16, most: 5 }])
  const dropped = await house.query(
    `select times::int from fulfillment.quarantine_dropped where code = 'envelope_truncated'`,
  )
  expect(dropped).toEqual([{ times: Number(before?.['rows']) + 1 + 20 - 16 }])
})

test('without the token of the installation nothing is read or kept', async () => {
  const kept = await count('quarantine')
  const { envelopes } = sealed('ord_g4')
  const refused = `unauthenticated ${UNAUTHENTICATED}`
  expect(await refusalOf(handOver(envelopes, {}))).toBe(refused)
  expect(await refusalOf(handOver(envelopes, { authorization: 'Bearer x' }))).toBe(refused)
  expect(await refusalOf(client.withdraw({ orderId: 'ord_g1' }))).toBe(refused)
  expect(await count('quarantine')).toBe(kept)
})

test('a withdrawal is answered, and one that says too little is refused', async () => {
  await handOver(sealed('ord_g5').envelopes)
  const wish = { merchant: 'main', orderId: 'ord_g5', withdrawalId: newId('cxl'), revision: 1 }
  const kind = WithdrawKind.CANCEL
  const answer = await client.withdraw({ ...wish, kind }, { headers: TOKEN })
  expect(answer).toMatchObject({
    withdrawalId: wish.withdrawalId,
    outcome: WithdrawOutcome.WITHDRAWN,
  })
  const bare = client.withdraw(wish, { headers: TOKEN })
  expect(await refusalOf(bare)).toBe(`payload_malformed ${DATA_LOSS}`)
})
