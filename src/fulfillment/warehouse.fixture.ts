// A merchant with one simulated partner, and hand-overs that orders would have sent.
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { z } from 'zod'
import { invariant, newId, orThrow, seededRandom } from '#kernel/index.ts'
import { fixedFlags } from '#flags/index.ts'
import type { FlagKey, FlagReader } from '#flags/index.ts'
import { addLocation } from '#inventory/index.ts'
import { gradePartner, partnerSecrets, registerPartner } from '#partners/index.ts'
import { change, withTransaction } from '#platform/index.ts'
import type { AnyRoute, Context, Log, RouteReply } from '#platform/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import { startSimulator } from '#simulator/index.ts'
import {
  allocationsOf,
  orderIdentity,
  pricesOf,
  handOverReader,
  orderDigest,
  reviewKeys,
  sealHandOver,
  signApproval,
} from '#wire/index.ts'
import type { HandOverRecord, OpenedHandOver, RecordLine, ReviewKey } from '#wire/index.ts'
import { createTestContext, createTestDatabase, silentLog } from '../../tests/database.ts'
import { approvalCheck } from './seal/approval-check.ts'
import { sealProver } from './seal/seal-proof.ts'
import { saveHandshake } from './handshake/handshake-statements.ts'
import type { LaneGate } from './handshake/lane-session.ts'
import { pullRoutes } from './dispatch/pull.http.ts'
import { inboundRoutes } from './ship/inbound.http.ts'
import { receiveHandOver } from './receive/receive-hand-over.ts'
import { startFulfillmentWorker } from './run-worker.ts'
import type { WorkerDeps } from './dispatch/worker-deps.ts'

export const MASTER_KEY = Buffer.alloc(32, 7)
export const KEYS = reviewKeys(MASTER_KEY)

/** A promise two days ahead: the same for every record of a run, as it is for every record of an order. */
const PROMISED_MS = Math.ceil(Date.now() / 1_000) * 1_000 + 48 * 3_600_000

type RecordOver = Partial<HandOverRecord> & {
  readonly forged?: boolean
  /** Without a certificate, as older senders sent a HOLD. */
  readonly unsigned?: boolean
  /** Signs with this key instead of the fixture's. */
  readonly signing?: ReviewKey
}

/** One record with a right digest and, for a CLEAR, a right certificate. */
export function record(orderId: string, { signing, ...over }: RecordOver = {}): HandOverRecord {
  const key = signing ?? KEYS.signing
  const priced = (line: RecordLine): RecordLine =>
    over.identity === '' ? line : { unitPriceMinor: 500, ...line }
  const lines = (
    over.lines ?? [
      {
        line: 1,
        sku: 'A',
        qty: 1,
        allocations: [{ locationId: 'loc-shipco', qty: 1 }],
      },
    ]
  ).map(priced)
  const base = {
    merchant: 'main',
    orderId,
    orderNumber: `N-${orderId}`,
    revision: 1,
    // The warehouse's orders are named by their ids, as a shop names its orders by its references.
    identity: orderIdentity('main', { kind: 'reference', reference: orderId }),
    currency: 'GBP',
    shipTo: { name: 'Ada', country: 'GB' },
    decisionId: `rvd_${orderId}_${over.decisionNumber ?? 1}`,
    decisionNumber: 1,
    effectiveAtMs: Date.now() - 1_000,
    shipByMs: PROMISED_MS as number | null,
    decidedBy: 'rules',
    keyId: key.id,
    verdict: 'clear' as const,
    ...over,
    lines,
  }
  const digest = orderDigest({
    merchant: base.merchant,
    orderId,
    currency: base.currency,
    shipTo: base.shipTo,
    lines: lines.map((line) => ({ lineId: String(line.line), sku: line.sku, qty: line.qty })),
  })
  const facts = {
    merchant: base.merchant,
    orderId,
    orderDigest: digest,
    decisionId: base.decisionId,
    decisionNumber: base.decisionNumber,
    effectiveAtMs: base.effectiveAtMs,
    orderNumber: base.orderNumber,
    revision: base.revision,
    allocations: allocationsOf(lines),
    shipByMs: base.shipByMs,
    identity: base.identity,
    unitPrices: pricesOf(lines),
  } as const
  const { verdict } = base
  const isSigned = verdict !== 'unspecified' && over.unsigned !== true
  const proven = isSigned ? signApproval(key, { ...facts, verdict }) : new Uint8Array()
  return {
    ...base,
    orderDigest: over.orderDigest ?? digest,
    reasons: over.reasons ?? (base.verdict === 'hold' ? ['value'] : []),
    approval: over.forged === true ? Buffer.alloc(32, 1) : proven,
  }
}

/** A hand-over as the reader opens it, over the real envelopes. */
export function opened(records: readonly HandOverRecord[], batchId = newId('hov')): OpenedHandOver {
  const sealed = orThrow(
    sealHandOver({ batchId, merchant: 'main', provenance: 'prv_test', records }),
  )
  const reader = handOverReader()
  for (const envelope of sealed.envelopes) orThrow(reader.push(envelope))
  return orThrow(reader.finish())
}

/** Flags at their initial values, with what a test switches. */
export const flagsOf: (switched?: Partial<Record<FlagKey, boolean>>) => FlagReader = fixedFlags

const FIXTURE_GATE: LaneGate = { session: 'fixture', wal: 0 }

/** Opens the lane of a partner as its handshake does, for a test that seals without a worker. */
export async function openLane(
  { database, merchant }: Context,
  partner: string,
): Promise<LaneGate> {
  await withTransaction(database, (tx) =>
    change(tx, saveHandshake, {
      merchant,
      partner,
      session: FIXTURE_GATE.session,
      epoch: 1,
      asked: new Date(),
      open: true,
      reason: null,
      detail: null,
    }),
  )
  return FIXTURE_GATE
}

/** Everything a test of this domain needs; `stop` takes it all down again. */
export async function openWarehouse(
  options: { log?: Log; isDeaf?: boolean; shipDelayMs?: number } = {},
) {
  const test = await createTestDatabase({ connectionsMax: 20 })
  const context = await createTestContext(test.database, options.log ?? silentLog)
  const secrets = { dispatch: newWebhookSecret(), event: newWebhookSecret() }
  const liveSecrets = partnerSecrets(context, MASTER_KEY)
  const inbound = await serveInbound([
    ...inboundRoutes({ context, secrets: liveSecrets }),
    ...pullRoutes({ context, secrets: liveSecrets, prover: sealProver(MASTER_KEY) }),
  ])
  const folder = await mkdtemp(join(tmpdir(), 'warehouse-'))
  const simulator = await startSimulator(
    {
      dataDir: folder,
      callbackUrl: options.isDeaf === true ? 'http://127.0.0.1:1' : inbound.url,
      retry: { minMs: 5, maxMs: 20, slowMs: 50 },
      ...(options.shipDelayMs === undefined ? {} : { shipDelayMs: options.shipDelayMs }),
      partners: [
        {
          id: 'shipco',
          name: 'ShipCo',
          port: 0,
          dispatchSecret: secrets.dispatch,
          eventSecret: secrets.event,
        },
      ],
    },
    () => undefined,
  )
  const url = simulator.partners[0]?.url ?? ''
  orThrow(
    await registerPartner(context, MASTER_KEY, {
      id: 'shipco',
      url,
      allowPrivate: true,
      secrets,
      actor: 'test',
    }),
  )
  await withTransaction(test.database, (tx) =>
    addLocation(tx, 'main', { id: 'loc-shipco', name: 'ShipCo' }),
  )
  const regrade = async (grade: 'A' | 'B' | 'C' | 'D') => {
    const measured = { partner: 'shipco', actor: 'test', reason: 'probe', grade }
    orThrow(await gradePartner(context, measured))
  }
  await regrade('A')
  const outbound = openOutbound({ headersTimeoutMs: 1_500, totalTimeoutMs: 2_000 })
  const gate = await openLane(context, 'shipco')
  const deps: WorkerDeps & { readonly gate: LaneGate } = {
    gate,
    context,
    flags: flagsOf(),
    secrets: liveSecrets,
    outbound,
    isProven: approvalCheck(KEYS),
    prover: sealProver(MASTER_KEY),
    random: seededRandom(1),
    pollMs: 50,
  }
  return {
    test,
    context,
    deps,
    url,
    secrets,
    inboundUrl: inbound.url,
    regrade,
    startWorker: (over: Partial<WorkerDeps> = {}) => startFulfillmentWorker({ ...deps, ...over }),
    handOver: async (...records: readonly HandOverRecord[]) =>
      orThrow(await receiveHandOver(context, KEYS, opened(records))),
    query: async (text: string) => {
      const result = await test.database.pool.query<Record<string, unknown>>(text)
      return result.rows
    },
    asOwner: (text: string) => runAsOwner(test.ownerUrl, text),
    faults: (script: unknown) =>
      fetch(`${url}/faults`, { method: 'PUT', body: JSON.stringify(script) }),
    profile: (profile: unknown) =>
      fetch(`${url}/profile`, { method: 'PUT', body: JSON.stringify(profile) }),
    ledger: () => readLedger(url),
    stop: async () => {
      await simulator.stop()
      await inbound.close()
      await outbound.close()
      await test.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** What `openWarehouse` gives. */
export type Warehouse = Awaited<ReturnType<typeof openWarehouse>>

async function runAsOwner(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

const ledgerRow = z.object({ fulfillment_id: z.string(), key: z.string(), acceptances: z.number() })

/** The partner's own ledger: the outside judge. */
async function readLedger(url: string): Promise<readonly z.output<typeof ledgerRow>[]> {
  const text = await (await fetch(`${url}/ledger`)).text()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ledgerRow.parse(JSON.parse(line)))
}

type Handle = (request: object) => Promise<{ ok: boolean; value?: RouteReply; refusal?: object }>

/** Serves the signature routes as the HTTP server would: raw bytes, lower-case headers. */
async function serveInbound(routes: readonly AnyRoute[]) {
  const handleOf = (method: string | undefined): Handle => {
    const route = routes.find((one) => one.method === method)
    invariant(route, 'there is an inbound route')
    // The server calls handlers with validated input; here the input is built by hand.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return route.handle as unknown as Handle
  }
  const server = createServer((request, response) => {
    void (async () => {
      const rawBody = await bodyOf(request)
      const url = new URL(request.url ?? '/', 'http://holdfast')
      const id = /^\/partners\/([^/]+)\/(?:events|pull)$/.exec(url.pathname)?.[1] ?? ''
      const query = { key: url.searchParams.get('key') ?? '' }
      const { headers, method } = request
      const answer = await handleOf(method)({ params: { id }, query, headers, rawBody })
      if (answer.value && Buffer.isBuffer(answer.value.body)) {
        const type = { 'content-type': answer.value.contentType ?? '' }
        response.writeHead(answer.value.status, { ...answer.value.headers, ...type })
        response.end(answer.value.body)
        return
      }
      const refused = JSON.stringify(answer.refusal ?? {})
      const refusedStatus = refused.includes('signature_invalid') ? 401 : 409
      response.writeHead(answer.value?.status ?? refusedStatus).end(refused)
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  invariant(address !== null && typeof address === 'object', 'the inbound server listens')
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
