import { afterAll, beforeAll, expect, test } from 'vitest'
import { accept } from '#kernel/index.ts'
import { silentLog } from './index.ts'
import { startGrpcServer } from './grpc/index.ts'
import { startHttpServer } from './http/index.ts'

const GRPC = { services: [], messageBytesMax: 1_000 }
const grpcOn = (host: string, port: number) => startGrpcServer({ ...GRPC, host, port })
const httpOn = (host: string, port: number) =>
  startHttpServer({
    routes: [],
    host,
    port,
    log: silentLog,
    authenticate: () => Promise.resolve(accept(undefined)),
  })

let taken: Awaited<ReturnType<typeof grpcOn>>
beforeAll(async () => {
  taken = await grpcOn('127.0.0.1', 0)
})
afterAll(() => taken.close())

test.each([
  ['HOLDFAST_GRPC_PORT', grpcOn],
  ['HOLDFAST_HTTP_PORT', httpOn],
] as const)('a busy port is refused with %s, the setting to change', async (setting, listen) => {
  await expect(listen('127.0.0.1', taken.port)).rejects.toMatchObject({
    refusal: { code: 'port_in_use', detail: expect.stringContaining(setting) },
  })
})

test.each([grpcOn, httpOn])('an address that is not of this machine is refused', async (listen) => {
  await expect(listen('203.0.113.1', 0)).rejects.toMatchObject({
    refusal: { code: 'address_unusable', detail: expect.stringContaining('HOLDFAST_HOST') },
  })
})
