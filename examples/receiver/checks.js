// Everything about a request that can be checked without knowing anything else.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { isUtf8 } from 'node:buffer'

export const KEY = /^hfd1-[a-z2-7]{32}$/
const ORDER_KEY = /^hfo1-[a-z2-7]{32}$/
const TOLERANCE_S = 300

/** A refusal, thrown: status and stable code. `more` goes into the answer. */
export class Refused extends Error {
  constructor(status, code, more = {}) {
    super(code)
    Object.assign(this, { status, code, more })
  }
}

/** Verifies Standard Webhooks 1.0.0 over the raw bytes, by any of the live secrets. */
export function checkSignature(secrets, headers, body) {
  const id = headers['webhook-id'] ?? ''
  const timestamp = headers['webhook-timestamp'] ?? ''
  const nowS = Math.floor(Date.now() / 1000)
  // A dot in the id would make `id.timestamp.body` ambiguous.
  const isFresh = /^[0-9]{10}$/.test(timestamp) && Math.abs(nowS - Number(timestamp)) <= TOLERANCE_S
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(id) || !isFresh) throw new Refused(401, 'signature_invalid')
  const given = (headers['webhook-signature'] ?? '').split(' ').map((one) => Buffer.from(one))
  const isSigned = secrets.some((secret) => {
    const hmac = createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64'))
    const right = hmac.update(`${id}.${timestamp}.`).update(body).digest('base64')
    const expected = Buffer.from(`v1,${right}`)
    return given.some((one) => one.length === expected.length && timingSafeEqual(one, expected))
  })
  if (!isSigned) throw new Refused(401, 'signature_invalid')
  return id
}

/** Checks the headers of a POST in the order of the protocol; answers key and fence epoch. */
export function checkEnvelope(secrets, headers, body) {
  if (!/^application\/json\s*(;\s*charset=utf-8\s*)?$/i.test(headers['content-type'] ?? ''))
    throw new Refused(415, 'media_type_unsupported')
  const digest = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(headers['content-digest'] ?? '')
  if (!digest) throw new Refused(400, 'digest_missing')
  if (digest[1] !== createHash('sha256').update(body).digest('base64'))
    throw new Refused(400, 'digest_mismatch')
  const id = checkSignature(secrets, headers, body)
  if (headers['holdfast-protocol'] !== '1') throw new Refused(400, 'protocol_unsupported')
  const quoted = headers['idempotency-key'] ?? ''
  const key = /^"(.*)"$/.exec(quoted)?.[1] ?? quoted
  if (!KEY.test(key)) throw new Refused(400, 'idempotency_key_missing')
  if (id !== `msg_${key.slice('hfd1-'.length)}`) throw new Refused(400, 'webhook_id_mismatch')
  const epoch = headers['holdfast-fence-epoch']
  if (epoch !== undefined && !/^[0-9]{1,15}$/.test(epoch))
    throw new Refused(400, 'fence_epoch_invalid')
  return { key, fenceEpoch: epoch === undefined ? undefined : Number(epoch) }
}

/** JSON as RFC 8259 wants it: UTF-8, and no key twice, which JSON.parse would let pass. */
export function strictJson(bytes) {
  const text = bytes.toString('utf8')
  try {
    const value = JSON.parse(text)
    const strings = text.matchAll(/"(?:[^"\\]|\\.)*"[ \t\r\n]*(:?)/g)
    const keysWritten = [...strings].filter((one) => one[1] === ':').length
    if (isUtf8(bytes) && keysWritten === countKeys(value)) return value
  } catch {
    // Answered below.
  }
  throw new Refused(400, 'body_malformed')
}

/** Checks a dispatch body whole, and recomputes what it claims. */
export function checkDispatch(body, key) {
  const { orders } = body ?? {}
  const isShaped =
    body?.schema === 'holdfast.dispatch/1' &&
    body.type === 'dispatch.create' &&
    KEY.test(body.key) &&
    /^btc_[A-Za-z0-9_-]{1,60}$/.test(body.batch) &&
    isCount(body.revision, 1) &&
    isCount(body.sequence, 0) &&
    (body.probe === undefined || body.probe === true) &&
    (body.sequence === 0) === (body.probe === true) &&
    Array.isArray(orders) &&
    orders.length > 0 &&
    orders.every(isOrder) &&
    areDistinct(orders.map((one) => one.order_key)) &&
    areDistinct(orders.map((one) => one.fulfillment_id))
  if (!isShaped) throw new Refused(400, 'body_malformed')
  if (body.order_count !== orders.length) throw new Refused(400, 'order_count_mismatch')
  // Absent, null, 0 and "false" are all not `false`: only an explicit clearance ships.
  const isCleared = (one) =>
    one.hold_for_review === false &&
    typeof one.review_decision_id === 'string' &&
    one.review_decision_id !== ''
  if (!orders.every(isCleared)) throw new Refused(400, 'order_on_hold')
  if (body.content_sha256 !== contentDigest(body)) throw new Refused(400, 'content_mismatch')
  if (body.key !== key) throw new Refused(400, 'key_mismatch')
  return body
}

/** Checks a recall body. */
export function checkRecall(body, key, recalls) {
  const isShaped =
    body?.schema === 'holdfast.recall/1' &&
    body.type === 'dispatch.recall' &&
    KEY.test(body.recalls) &&
    Array.isArray(body.order_keys) &&
    body.order_keys.length > 0 &&
    body.order_keys.every((one) => ORDER_KEY.test(one)) &&
    typeof body.reason === 'string' &&
    body.reason !== ''
  if (!isShaped) throw new Refused(400, 'body_malformed')
  if (body.key !== key || body.recalls !== recalls) throw new Refused(400, 'key_mismatch')
  return body
}

function isOrder(one) {
  const isLine = (line) =>
    typeof line?.line_id === 'string' && typeof line.sku === 'string' && isCount(line.qty, 1)
  return (
    /^ful_[A-Za-z0-9_-]{1,60}$/.test(one?.fulfillment_id) &&
    ORDER_KEY.test(one.order_key) &&
    Array.isArray(one.lines) &&
    one.lines.length > 0 &&
    one.lines.every(isLine) &&
    areDistinct(one.lines.map((line) => line.line_id))
  )
}

/** SHA-256 of the RFC 8785 text of {schema, type, batch, orders}, the orders without order_key. */
function contentDigest({ schema, type, batch, orders }) {
  const named = orders.map((one) =>
    Object.fromEntries(Object.entries(one).filter(([name]) => name !== 'order_key')),
  )
  const text = canonical({ schema, type, batch, orders: named })
  return createHash('sha256').update(text).digest('hex')
}

/** RFC 8785: keys sorted by UTF-16 code unit, which is how JavaScript compares; integers alone. */
function canonical(value) {
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw new Refused(400, 'body_malformed')
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const names = Object.keys(value).toSorted()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`
}

function countKeys(value) {
  if (typeof value !== 'object' || value === null) return 0
  const own = Array.isArray(value) ? 0 : Object.keys(value).length
  return Object.values(value).reduce((sum, child) => sum + countKeys(child), own)
}

const isCount = (value, min) => Number.isSafeInteger(value) && value >= min
const areDistinct = (names) => new Set(names).size === names.length
