import { create, equals, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '#kernel/index.ts'
import { fulfillmentClient } from '#orders/index.ts'
import { startGrpcServer } from '#platform/grpc/index.ts'
import type { GrpcServer } from '#platform/grpc/index.ts'
import { HandoffService } from '#wire/index.ts'
import {
  DecideRequestSchema,
  DecideResponseSchema,
} from '../../wire/gen/holdfast/fulfillment/v1/handoff_pb.js'
import { criticalPaths, pathName, tamperingsOf } from '../../wire/tamper.fixture.ts'
import type { Tampering } from '../../wire/tamper.fixture.ts'
import { KEYS, MASTER_KEY, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { handOverService } from './hand-over.grpc.ts'

/** What a relay does to the next question or answer; `isChanged` if it changed anything. */
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
  const { decide } = service
  server = await startGrpcServer({
    services: [
      (router) =>
        void router.service(HandoffService, {
          ...service,
          decide: async (request, call) => {
            const answer = await decide?.(relayed(DecideRequestSchema, request), call)
            return relayed(DecideResponseSchema, create(DecideResponseSchema, answer))
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

const rows = [DecideRequestSchema, DecideResponseSchema].flatMap((schema) =>
  criticalPaths(schema).map((path) => [`${schema.name}.${pathName(path)}`, schema, path] as const),
)

test.each(rows)(
  '%s: a changed question holds nothing, and a changed answer is no answer',
  async (_, schema, path) => {
    const client = fulfillmentClient(server.url, MASTER_KEY)
    for (const one of tamperingsOf(schema, path)) {
      const orderId = newId('ord')
      await house.handOver(record(orderId))
      tampering = { schema, one }
      isChanged = false
      const [before] = await house.query(COUNT)
      const outcome = await client.decide(wishOf(orderId), 'hold').then(
        ({ kind, parts }) => `${kind} ${parts.map((part) => part.state).join()}`,
        () => 'fault',
      )
      const how = one.name
      expect({ how, outcome }).toEqual({ how, outcome: isChanged ? 'fault' : 'stands held' })
      const isHeld = schema === DecideResponseSchema || !isChanged
      const [after] = await house.query(COUNT)
      expect(Number(after?.['n']) - Number(before?.['n'])).toBe(isHeld ? 1 : 0)
    }
  },
)

const COUNT = `select count(*)::int as n from fulfillment.asked_decision where state = 'standing'`

const wishOf = (orderId: string) => ({
  id: newId('rvd'),
  merchant: 'main',
  orderId,
  verdict: 'hold' as const,
  revision: 1,
  afterNumber: 1,
  actor: 'test',
  reason: 'test',
})
