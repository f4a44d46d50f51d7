import { base32, canonicalJson, sha256, sha256Hex } from '#kernel/index.ts'
import { contentDigest, signWebhook } from '#platform/webhooks/index.ts'
import type { LabPartner } from '../partners/start-partners.ts'
import { attemptKey } from './attempt-key.ts'
import type { Books } from './open-books.ts'

/** How the unguarded sender sends. */
export type BlindTerms = {
  readonly batchOrders: number
  readonly timeoutMs: number
  /** `idempotency_key_format_v2`. */
  readonly isTimestampKey: boolean
  /** `batch_retry_enabled`. */
  readonly mayRetry: boolean
}

type OrderRow = {
  readonly id: string
  readonly lines: readonly { readonly sku: string; readonly qty: number }[]
}

const ATTEMPTS_MAX = 10

/**
 * Dispatches everything that is not held, one batch after the other. What is not answered in time has
 * failed, and what has failed is sent again: nobody asks the partner, and nobody remembers a key.
 */
export async function dispatchBlindly(
  books: Books,
  partner: LabPartner,
  terms: BlindTerms,
): Promise<void> {
  const { rows } = await books.pool.query<OrderRow>(
    `select id, lines from lab.fulfillment_order
      where partner = $1 and not held order by number`,
    [partner.id],
  )
  for (let at = 0; at < rows.length; at += terms.batchOrders) {
    const batch = `btc_${partner.id}${at / terms.batchOrders + 1}`
    await sendUntilAnswered(books, partner, {
      batch,
      sequence: at / terms.batchOrders + 1,
      orders: rows.slice(at, at + terms.batchOrders),
      terms,
    })
  }
}

type Batch = {
  readonly batch: string
  readonly sequence: number
  readonly orders: readonly OrderRow[]
  readonly terms: BlindTerms
}

async function sendUntilAnswered(books: Books, partner: LabPartner, sent: Batch): Promise<void> {
  const { batch, terms } = sent
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const nowMs = performance.timeOrigin + performance.now()
    const key = attemptKey(batch, { isTimestamp: terms.isTimestampKey, nowMs })
    const outcome = await send(partner, bodyOf(sent, key), { key, timeoutMs: terms.timeoutMs })
    await books.pool.query('insert into lab.attempt values ($1, $2, $3, $4, $5)', [
      partner.id,
      batch,
      attempt,
      key,
      outcome,
    ])
    if (outcome === 'accepted' || !terms.mayRetry) return
  }
}

async function send(
  partner: LabPartner,
  body: Buffer,
  call: { readonly key: string; readonly timeoutMs: number },
): Promise<string> {
  const timestampS = Math.floor(Date.now() / 1_000)
  const id = `msg_${call.key.slice('hfd1-'.length)}`
  try {
    const answer = await fetch(`${partner.url}/holdfast/v1/dispatches`, {
      method: 'POST',
      body: Uint8Array.from(body),
      signal: AbortSignal.timeout(call.timeoutMs),
      headers: {
        'content-type': 'application/json',
        'content-digest': contentDigest(body),
        'idempotency-key': `"${call.key}"`,
        'holdfast-protocol': '1',
        'holdfast-fence-epoch': '1',
        ...signWebhook({ secret: partner.secrets.dispatch, id, timestampS, body }),
      },
    })
    await answer.arrayBuffer()
    return answer.ok ? 'accepted' : `status ${answer.status}`
  } catch {
    return 'no answer'
  }
}

// Nobody looked at these orders; the body says that they may go, because no field said otherwise.
function bodyOf({ batch, sequence, orders }: Batch, key: string): Buffer {
  const content = orders.map(({ id, lines }) => ({
    fulfillment_id: id,
    hold_for_review: false,
    review_decision_id: 'auto_approved',
    lines: lines.map(({ sku, qty }, index) => ({ line_id: String(index + 1), sku, qty })),
  }))
  const named = { schema: 'holdfast.dispatch/1', type: 'dispatch.create', batch }
  return Buffer.from(
    canonicalJson({
      ...named,
      key,
      content_sha256: sha256Hex(canonicalJson({ ...named, orders: content })),
      revision: 1,
      supersedes: null,
      sequence,
      order_count: content.length,
      orders: content.map((one) => Object.assign(one, { order_key: orderKey(one.fulfillment_id) })),
    }),
  )
}

const orderKey = (fulfillment: string): string =>
  `hfo1-${base32(sha256(fulfillment).subarray(0, 20))}`
