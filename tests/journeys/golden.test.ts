import { readdirSync, readFileSync } from 'node:fs'
import { fromBinary, toJson } from '@bufbuild/protobuf'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import type { Client } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { orThrow, sha256Hex } from '#kernel/index.ts'
import { handOverService } from '#fulfillment/index.ts'
import { intakeService } from '#orders/index.ts'
import { registerPartner } from '#partners/index.ts'
import { startGrpcServer } from '#platform/grpc/index.ts'
import type { GrpcServer } from '#platform/grpc/index.ts'
import {
  HandoffService,
  internalToken,
  MESSAGE_BYTES_MAX,
  OrderIntakeService,
} from '#wire/index.ts'
import { createTestContext, createTestDatabase } from '../database.ts'
import type { TestDatabase } from '../database.ts'
import { callStreamOfBytes, otherClient } from '../grpc-stream.ts'
import { stockShop, TEST_MASTER_KEY, testPlacing, testReviewKeys } from '../shop.ts'

const FOLDER = 'tests/golden'
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.bin'))
/** What each file was answered when it was recorded, and the SHA-256 that it had. */
const recorded: unknown = JSON.parse(readFileSync(`${FOLDER}/answers.json`, 'utf8'))

let db: TestDatabase
let server: GrpcServer
let client: Client
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 10 })
  const context = await createTestContext(db.database)
  await stockShop(context, { A: 1_000, B: 1_000 })
  for (const location of ['north', 'south']) {
    orThrow(
      await registerPartner(context, TEST_MASTER_KEY, {
        id: location,
        locationId: location,
        url: `https://${location}.example`,
        actor: 'test',
      }),
    )
  }
  const receiver = handOverService({
    context,
    masterKey: TEST_MASTER_KEY,
    reviewKeys: testReviewKeys,
  })
  const intake = intakeService({
    placing: testPlacing(context),
    callerOf: () => Promise.resolve({ actor: 'key:shop', scopes: new Set(['orders:submit']) }),
  })
  server = await startGrpcServer({
    services: [intake, (router) => void router.service(HandoffService, receiver)],
    host: '127.0.0.1',
    port: 0,
    messageBytesMax: MESSAGE_BYTES_MAX,
  })
  client = otherClient(server.url)
})
afterAll(async () => {
  client.close()
  await server.close()
  await db.drop()
})

/** Sends the recorded bytes as they are; ids that are made at placing are left out of the answer. */
async function replay(file: string) {
  const bytes = readFileSync(`${FOLDER}/${file}`)
  const isIntake = file.includes('-intake')
  const method = isIntake ? OrderIntakeService.method.submitOrders : HandoffService.method.handOver
  const headers = { authorization: `Bearer ${internalToken(TEST_MASTER_KEY)}` }
  const { answers, status, code } = await callStreamOfBytes(
    client,
    method,
    messagesOf(bytes),
    headers,
  )
  const told = answers.map((one) => toJson(method.output, fromBinary(method.output, one)))
  const text = JSON.stringify(told).replaceAll(/"(id|orderNumber)":"[^"]+"/g, '"$1":"*"')
  const answer: unknown = JSON.parse(text)
  return { sha256: sha256Hex(bytes), status, code, answer }
}

function messagesOf(bytes: Uint8Array): readonly Uint8Array[] {
  const reader = new BinaryReader(bytes)
  const messages: Uint8Array[] = []
  while (reader.pos < reader.len) messages.push(reader.bytes())
  return messages
}

test('every recorded stream has its answer, and every answer its stream', () => {
  expect(files.length).toBeGreaterThanOrEqual(9)
  expect(recorded).toEqual(
    Object.fromEntries(files.map((file): [string, unknown] => [file, expect.anything()])),
  )
})

test.each(files)('%s is answered as it was when it was recorded', async (file) => {
  expect({ [file]: await replay(file) }).toEqual({
    [file]: Reflect.get(Object(recorded), file) as unknown,
  })
})
