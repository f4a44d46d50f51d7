import { create, equals, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '#kernel/index.ts'
import { fulfillmentClient } from '#orders/index.ts'
import { startGrpcServer } from '#platform/grpc/index.ts'
import type { GrpcServer } from '#platform/grpc/index.ts'
import { HandoffService } from '#wire/index.ts'
import {
  WithdrawRequestSchema,
  WithdrawResponseSchema,
} from '../../wire/gen/holdfast/fulfillment/v1/handoff_pb.js'
import { criticalPaths, pathName, tamperingsOf } from '../../wire/tamper.fixture.ts'
import type { Tampering } from '../../wire/tamper.fixture.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { KEYS, MASTER_KEY, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { handOverService } from './hand-over.grpc.ts'

/** What a relay does to the next request or answer; true where it changed anything. */
let tampering: { schema: DescMessage; one: Tampering } | undefined
let isChanged = false

function relayed<S extends DescMessage>(schema: S, message: MessageShape<S>): MessageShape<S> {
  if (tampering?.schema !== schema) return message
  const got = fromBinary(schema, tampering.one.apply(toBinary(schema, message), 0))
  isChanged = !equals(schema, got, message)
  return got
}

let house: Warehouse
let server: GrpcServer
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  const service = handOverService({
    context: house.context,
    masterKey: MASTER_KEY,
    reviewKeys: KEYS,
  })
  const { withdraw, handOver } = service
  server = await startGrpcServer({
    services: [
      (router) =>
        void router.service(HandoffService, {
          handOver,
          withdraw: async (request, call) => {
            const answer = await withdraw?.(relayed(WithdrawRequestSchema, request), call)
            return relayed(WithdrawResponseSchema, create(WithdrawResponseSchema, answer))
          },
        }),
    ],
    host: '127.0.0.1',
    port: 0,
    messageBytesMax: 1024 * 1024,
  })
})
afterAll(async () => {
  await server.close()
  await house.stop()
})

const rows = [WithdrawRequestSchema, WithdrawResponseSchema].flatMap((schema) =>
  criticalPaths(schema).map((path) => [`${schema.name}.${pathName(path)}`, schema, path] as const),
)

test.each(rows)(
  '%s: the sender never believes an answer to another wish',
  async (_, schema, path) => {
    const client = fulfillmentClient(server.url, MASTER_KEY)
    for (const isSealed of [false, true]) {
      for (const one of tamperingsOf(schema, path)) {
        const orderId = newId('ord')
        await house.handOver(record(orderId))
        if (isSealed) await sealBatch(house.context, 'shipco', house.deps)
        tampering = { schema, one }
        isChanged = false
        const outcome = await client.withdraw(wishOf(orderId)).then(
          (value) => value.kind,
          () => 'fault',
        )
        const truth = isSealed ? 'recalling' : 'withdrawn'
        const how = `${one.name}, of one ${truth}`
        expect({ how, outcome }).toEqual({ how, outcome: isChanged ? 'fault' : truth })
      }
    }
  },
)

const wishOf = (orderId: string) => ({
  id: newId('cxl'),
  merchant: 'main',
  orderId,
  revision: 1,
  kind: 'cancel' as const,
  actor: 'test',
  reason: 'test',
  shipTo: null,
})
