import { Webhook } from 'standardwebhooks'
import { request } from 'undici'
import { z } from 'zod'
import { KEY } from './judge-request.ts'
import type { Received } from './judge-request.ts'
import { against } from './problem.ts'
import type { Judged } from './problem.ts'
import { strictJson } from './strict-json.ts'

/** Where a partner that fetches its dispatches is told of them. */
export const PINGS = '/holdfast/v1/pings'

const ping = z.object({
  schema: z.literal('holdfast.ping/1'),
  type: z.literal('dispatch.ready'),
  key: z.string().regex(KEY),
})

/** Reads a ping: it names a key and carries nothing of an order. */
export function readPing(body: Buffer): Judged<{ readonly key: string }> {
  const parsed = ping.safeParse(strictJson(body))
  return parsed.success ? { ok: true, value: parsed.data } : against('body_malformed')
}

/** Fetches the bytes of a dispatch with a signed request over an empty body; the id binds the key. */
export function puller(callbackUrl: string, partner: string) {
  return async (key: string, secrets: readonly string[]): Promise<Received> => {
    const at = new Date()
    const id = `msg_${key.slice('hfd1-'.length)}`
    const where = `${callbackUrl.replace(/\/$/, '')}/partners/${partner}/pull?key=${key}`
    const answer = await request(where, {
      method: 'GET',
      headersTimeout: 5_000,
      bodyTimeout: 5_000,
      headers: {
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'webhook-signature': secrets
          .map((secret) => new Webhook(secret).sign(id, at, ''))
          .join(' '),
      },
    })
    const body = Buffer.from(await answer.body.arrayBuffer())
    if (answer.statusCode !== 200) throw new Error(`the pull was answered ${answer.statusCode}`)
    return { headers: answer.headers, body }
  }
}
