import { setTimeout as pause } from 'node:timers/promises'
import { sha256 } from '#kernel/index.ts'
import type { Clock } from '#kernel/index.ts'
import type { Outbound, OutboundRequest, OutboundResult } from '#platform/outbound/index.ts'
import { parseStrictJson, signWebhook } from '#platform/webhooks/index.ts'
import { z } from 'zod'
import { dispatchRequest, lookupRequest } from '../dispatch/dispatch-request.ts'
import { webhookIdOf } from '../idempotency-key.ts'
import type { ProbeBody } from './probe-body.ts'

/** The endpoint that is probed, and the secrets that it should know. */
export type ProbeTarget = {
  readonly partner: Pick<OutboundRequest, 'url' | 'allowPrivate'>
  readonly secrets: readonly string[]
}

/** What a probe needs of the world. */
export type ProbeWorld = { readonly outbound: Outbound; readonly clock: Clock }

/** The requests of a probe. Each is tried twice where the first try proves nothing. */
export type ProbeExchange = {
  readonly create: (body: ProbeBody) => Promise<OutboundResult>
  readonly createWithDigestOf: (other: Uint8Array, body: ProbeBody) => Promise<OutboundResult>
  readonly createSignedBy: (secret: string, body: ProbeBody) => Promise<OutboundResult>
  readonly lookUp: (key: string) => Promise<OutboundResult>
  readonly lookUpUnsigned: (key: string) => Promise<OutboundResult>
  readonly recall: (
    recalled: string,
    recall: { key: string; bytes: Buffer },
  ) => Promise<OutboundResult>
  readonly list: () => Promise<OutboundResult>
}

const AGAIN_MS = 250
const PATH = '/holdfast/v1/dispatches'

/** Opens the exchange with one endpoint. After two requests without an answer it asks no more. */
export function probeExchange(
  { outbound, clock }: ProbeWorld,
  { partner, secrets }: ProbeTarget,
): ProbeExchange {
  let silent = 0
  const timestampS = () => Math.floor(clock.nowMs() / 1_000)

  const send = async (request: OutboundRequest): Promise<OutboundResult> => {
    if (silent >= 2) return { kind: 'no_byte_written', code: 'not_asked' }
    const first = await outbound.send(request)
    if (!isInconclusive(first)) return first
    await pause(AGAIN_MS)
    const second = await outbound.send(request)
    if (second.kind !== 'reply') silent += 1
    return second
  }
  const creation = (body: ProbeBody, by: readonly string[]): OutboundRequest =>
    dispatchRequest({
      partner,
      secrets: by,
      key: body.key,
      bytes: body.bytes,
      fenceEpoch: 0,
      attempt: 1,
      timestampS: timestampS(),
    })

  return {
    create: (body) => send(creation(body, secrets)),
    createWithDigestOf: (other, body) => {
      const request = creation(body, secrets)
      return send({
        ...request,
        headers: { ...request.headers, 'content-digest': digestOf(other) },
      })
    },
    createSignedBy: (secret, body) => send(creation(body, [secret])),
    lookUp: (key) => send(lookupRequest({ partner, secrets, key, timestampS: timestampS() })),
    lookUpUnsigned: (key) =>
      send({
        method: 'GET',
        url: `${partner.url}${PATH}/${key}`,
        allowPrivate: partner.allowPrivate,
        headers: { accept: 'application/json', 'holdfast-protocol': '1' },
      }),
    recall: (recalled, { key, bytes }) =>
      send({
        method: 'POST',
        url: `${partner.url}${PATH}/${recalled}/recall`,
        allowPrivate: partner.allowPrivate,
        body: bytes,
        headers: {
          'content-type': 'application/json',
          'content-digest': digestOf(bytes),
          'idempotency-key': `"${key}"`,
          'holdfast-protocol': '1',
          ...sign(secrets, webhookIdOf(key), timestampS(), bytes),
        },
      }),
    list: () =>
      send({
        method: 'GET',
        url: `${partner.url}${PATH}?after_sequence=0&limit=1`,
        allowPrivate: partner.allowPrivate,
        headers: {
          accept: 'application/json',
          'holdfast-protocol': '1',
          ...sign(secrets, 'msg_probe', timestampS(), new Uint8Array()),
        },
      }),
  }
}

const digestOf = (bytes: Uint8Array): string => `sha-256=:${sha256(bytes).toString('base64')}:`

const sign = (secret: readonly string[], id: string, timestampS: number, body: Uint8Array) =>
  signWebhook({ secret, id, timestampS, body })

/** No answer, or one that says only that the endpoint cannot work now. */
function isInconclusive(result: OutboundResult): boolean {
  return result.kind !== 'reply' || result.status === 429 || result.status >= 500
}

const coded = z.object({ code: z.string().regex(/^[a-z0-9_]{1,64}$/) })

/** The stable code of a problem, or undefined. */
export function codeOf(result: OutboundResult): string | undefined {
  return result.kind === 'reply' ? coded.safeParse(bodyOf(result)).data?.code : undefined
}

/** The JSON of an answer, or undefined. */
export function bodyOf(result: OutboundResult): unknown {
  if (result.kind !== 'reply' || result.isTruncated) return undefined
  const json = parseStrictJson(result.body)
  return json.ok ? json.value : undefined
}

/** True where an answer proves nothing: none at all, or "come back later". */
export function isNoAnswer(result: OutboundResult): boolean {
  if (result.kind !== 'reply') return true
  const { status, headers } = result
  return status === 429 || (status === 503 && headers['retry-after'] !== undefined)
}

/** What was found, in a few words: `201`, `409 order_key_live`, `no answer (ECONNREFUSED)`. */
export function foundIn(result: OutboundResult): string {
  if (result.kind !== 'reply') return `no answer (${result.code})`
  const code = codeOf(result)
  return code === undefined ? String(result.status) : `${result.status} ${code}`
}
