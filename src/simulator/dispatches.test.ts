import { expect, test } from 'vitest'
import { canonicalJson, sha256 } from '#kernel/index.ts'
import { dispatch, keyOf, look, order, partner, PATH, send, signature } from './sender.fixture.ts'

test('an acceptance echoes key, content digest and every fulfillment', async () => {
  const { url, post } = await partner()
  const sent = dispatch(keyOf('a'), [order('one'), order('two')], { sequence: 7 })
  const answer = await post(sent)
  expect(answer.status).toBe(201)
  expect(answer.body).toEqual({
    key: sent.key,
    content_sha256: sent.content_sha256,
    accepted: ['ful_one', 'ful_two'],
    rejected: [],
  })
  const found = await look(`${url}${PATH}/${sent.key}`)
  expect(found.status).toBe(200)
  expect(found.body).toMatchObject({ ...answer.body, sequence: 7 })
})

test('the same key with the same content is accepted once and answered alike', async () => {
  const { post, rows, summary } = await partner()
  const sent = dispatch(keyOf('a'), [order('one')])
  const answers = await Promise.all([post(sent), post(sent), post(sent)])
  expect(answers.map((one) => one.status).toSorted((a, b) => a - b)).toEqual([200, 200, 201])
  expect(new Set(answers.map((one) => one.text)).size).toBe(1)
  const replays = answers.filter((one) => one.headers.get('idempotent-replayed') === 'true')
  expect(replays.map((one) => one.status)).toEqual([200, 200])
  expect(await rows()).toHaveLength(1)
  expect((await summary()).body).toMatchObject({ dispatches: 1, replays: 2, units: 2 })
})

test('a bare Idempotency-Key counts as the quoted one', async () => {
  const { post } = await partner()
  const key = keyOf('a')
  const answer = await post(dispatch(key, [order('one')]), { 'idempotency-key': key })
  expect(answer.status).toBe(201)
})

test('the same key with other content is refused', async () => {
  const { post, rows } = await partner()
  await post(dispatch(keyOf('a'), [order('one')]))
  const answer = await post(
    dispatch(keyOf('a'), [order('one', { ship_by: '2026-03-01T23:59:59Z' })]),
  )
  expect(answer).toMatchObject({ status: 422, body: { code: 'key_reused' } })
  expect(await rows()).toHaveLength(1)
})

test('an order key that is live under another key is refused', async () => {
  const { post, rows } = await partner()
  await post(dispatch(keyOf('a'), [order('one')]))
  const answer = await post(dispatch(keyOf('b'), [order('two'), order('one')]))
  expect(answer).toMatchObject({
    status: 409,
    body: { code: 'order_key_live', live_under: keyOf('a') },
  })
  expect(await rows()).toHaveLength(1)
})

test('a lower revision of a batch is refused once a higher one was seen', async () => {
  const { post } = await partner()
  await post(dispatch(keyOf('b2'), [order('two')], { batch: 'btc_x', revision: 2 }))
  const answer = await post(dispatch(keyOf('b1'), [order('one')], { batch: 'btc_x', revision: 1 }))
  expect(answer).toMatchObject({ status: 409, body: { code: 'stale_revision' } })
})

test('a lower fence epoch is refused, even for a known key', async () => {
  const { post } = await partner()
  const sent = dispatch(keyOf('a'), [order('one')])
  await post(sent, { 'holdfast-fence-epoch': '3' })
  const answer = await post(sent, { 'holdfast-fence-epoch': '2' })
  expect(answer).toMatchObject({ status: 409, body: { code: 'stale_epoch', fence_epoch: 3 } })
})

const KEY = keyOf('a')
const RIGHT = dispatch(KEY, [order('one')])
const bytes = (over: object): string => canonicalJson({ ...RIGHT, ...over })
const text = canonicalJson(RIGHT)

test.each<[string, number, string, string, Record<string, string>]>([
  ['a cut body', 400, 'digest_mismatch', text.slice(0, -9), digestOf(text)],
  ['no digest', 400, 'digest_missing', text, { 'content-digest': '' }],
  ['another media type', 415, 'media_type_unsupported', text, { 'content-type': 'text/plain' }],
  [
    'a foreign signature',
    401,
    'signature_invalid',
    text,
    signature(ID(), text, `whsec_${'A'.repeat(43)}=`),
  ],
  [
    'an old timestamp',
    401,
    'signature_invalid',
    text,
    signature(ID(), text, undefined, new Date(0)),
  ],
  [
    'a timestamp with a tail',
    401,
    'signature_invalid',
    text,
    { 'webhook-timestamp': `${Math.floor(Date.now() / 1_000)}abc` },
  ],
  ['a webhook-id of another key', 400, 'webhook_id_mismatch', text, signature('msg_other', text)],
  ['no key', 400, 'idempotency_key_missing', text, { 'idempotency-key': '' }],
  ['no protocol', 400, 'protocol_unsupported', text, { 'holdfast-protocol': '' }],
  ['no fence epoch', 400, 'fence_epoch_invalid', text, { 'holdfast-fence-epoch': '' }],
  ['another key in the body', 400, 'key_mismatch', bytes({ key: keyOf('b') }), {}],
  ['a wrong order count', 400, 'order_count_mismatch', bytes({ order_count: 2 }), {}],
  ['a wrong content digest', 400, 'content_mismatch', bytes({ batch: 'btc_other' }), {}],
  [
    'a key twice in an object',
    400,
    'body_malformed',
    text.replace('"hold_for_review":false', '"hold_for_review":true,"hold_for_review":false'),
    {},
  ],
  [
    'a fulfillment twice',
    400,
    'body_malformed',
    canonicalJson(dispatch(KEY, [order('one'), order('one')])),
    {},
  ],
  ['an unfinished body', 400, 'body_malformed', text.slice(0, -1), {}],
  ['a held order', 400, 'order_on_hold', held({ hold_for_review: true }), {}],
  [
    'an order without an answer about holding',
    400,
    'order_on_hold',
    held({ hold_for_review: null }),
    {},
  ],
  ['an order without a decision', 400, 'order_on_hold', held({ review_decision_id: '' }), {}],
  ['a body above 1 MiB', 413, 'body_too_large', ' '.repeat(1_048_577), {}],
])('%s is refused with %i %s and leaves no row', async (_name, status, code, body, headers) => {
  const { url, rows } = await partner()
  const answer = await send(url + PATH, body, KEY, headers)
  expect(answer).toMatchObject({ status, body: { code, status } })
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(await rows()).toEqual([])
})

function ID(): string {
  return `msg_${keyOf('a').slice(5)}`
}

function held(over: Parameters<typeof order>[1]): string {
  return canonicalJson(dispatch(keyOf('a'), [order('zero'), order('one', over)]))
}

function digestOf(body: string): Record<string, string> {
  return { 'content-digest': `sha-256=:${sha256(body).toString('base64')}:` }
}

test('a lookup needs a signature and tells unknown from wrong', async () => {
  const { url } = await partner()
  expect((await look(`${url}${PATH}/${KEY}`)).body).toMatchObject({ code: 'dispatch_unknown' })
  const unsigned = await fetch(`${url}${PATH}/${KEY}`)
  expect(unsigned.status).toBe(401)
  expect((await fetch(`${url}${PATH}?after_sequence=0`)).status).toBe(401)
})

test('the manifest pages by sequence and skips no acceptance', async () => {
  const { url, post } = await partner()
  for (const [name, sequence] of [
    ['c', 3],
    ['a', 1],
    ['b', 2],
    ['d', 2],
  ] as const)
    await post(dispatch(keyOf(name), [order(name)], { sequence }))
  const first = await look(`${url}${PATH}?after_sequence=0&limit=2`)
  expect(first.body['dispatches']).toMatchObject([
    { key: keyOf('a'), sequence: 1 },
    { key: keyOf('b'), sequence: 2 },
    { key: keyOf('d'), sequence: 2 },
  ])
  expect(first.body['next_after_sequence']).toBe(2)
  const rest = await look(`${url}${PATH}?after_sequence=2&limit=2`)
  expect(rest.body).toMatchObject({
    dispatches: [{ key: keyOf('c') }],
    next_after_sequence: null,
  })
  expect((await look(`${url}${PATH}?limit=0`)).body).toMatchObject({ code: 'query_invalid' })
})
