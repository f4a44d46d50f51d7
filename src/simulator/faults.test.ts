import { expect, test, vi } from 'vitest'
import { dispatch, fields, keyOf, look, order, partner, PATH, putFaults } from './sender.fixture.ts'
import { faultScript } from './faults.ts'

const sent = dispatch(keyOf('a'), [order('one')])
/** What fetch says of a connection that ended before the answer did. */
const CUT = /fetch failed|terminated/

test('an unknown fault or field is refused by name and the old script stays', async () => {
  const { url } = await partner()
  await putFaults(url, [{ match: {}, fault: 'status', value: 418 }])
  const answer = await putFaults(url, [
    { match: { verb: 'POST' }, fault: 'gremlins' },
    { match: {}, fault: 'status', value: 42 },
  ])
  expect(answer).toMatchObject({ status: 422, body: { code: 'faults_invalid' } })
  const errors = [answer.body['errors']].flat().map((one: unknown) => fields(one)['field'])
  expect(errors).toEqual(
    expect.arrayContaining(['faults.0.match.verb', 'faults.0.fault', 'faults.1.value']),
  )
  const rate = await putFaults(url, { rate: { gremlins: 0.1 } })
  expect(rate.body['detail']).toContain('rate.gremlins')
  const shown: unknown = await (await fetch(`${url}/faults`)).json()
  expect(shown).toMatchObject({ faults: [{ fault: 'status', value: 418 }] })
})

test.each(['lose_request', 'reset'])('%s does nothing and answers nothing', async (fault) => {
  const { url, post, rows } = await partner()
  await putFaults(url, [{ match: { method: 'POST', nth: 1 }, fault }])
  await expect(post(sent)).rejects.toThrow(CUT)
  expect(await rows()).toEqual([])
  expect((await post(sent)).status).toBe(201)
})

test.each(['lose_answer', 'truncate_answer'])('%s accepts and hides it', async (fault) => {
  const { url, post, rows } = await partner()
  await putFaults(url, { faults: [{ match: { key: sent.key }, fault, times: 1 }] })
  await expect(post(sent)).rejects.toThrow(CUT)
  expect(await rows()).toHaveLength(1)
  expect((await post(sent)).status).toBe(200)
})

test('500_after_commit accepts and denies it', async () => {
  const { url, post } = await partner()
  await putFaults(url, [{ match: { path: PATH }, fault: '500_after_commit', value: 502, times: 1 }])
  expect((await post(sent)).status).toBe(502)
  expect((await look(`${url}${PATH}/${sent.key}`)).status).toBe(200)
})

test('429 and status do nothing and pass on how long to wait', async () => {
  const { url, post, rows } = await partner()
  await putFaults(url, [
    { match: { nth: 1 }, fault: '429', retry_after: 7 },
    { match: { nth: 2 }, fault: 'status', value: 503, retry_after: 3 },
  ])
  const limited = await post(sent)
  expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
  const refused = await post(sent)
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '3'])
  expect(await rows()).toEqual([])
})

test('wrong_echo accepts and echoes another digest', async () => {
  const { url, post } = await partner()
  await putFaults(url, [{ match: {}, fault: 'wrong_echo', times: 1 }])
  const answer = await post(sent)
  expect(answer.status).toBe(201)
  expect(answer.body['content_sha256']).not.toBe(sent.content_sha256)
  expect((await post(sent)).body['content_sha256']).toBe(sent.content_sha256)
})

test('delay_ms answers rightly, late', async () => {
  const { url, post } = await partner()
  await putFaults(url, [{ match: {}, fault: 'delay_ms', value: 5 }])
  expect((await post(sent)).status).toBe(201)
})

test('a ghost cuts the connection and is accepted afterwards', async () => {
  const { url, post, rows } = await partner()
  await putFaults(url, [{ match: { path: `${PATH}*` }, fault: 'ghost', value: 5, times: 1 }])
  await expect(post(sent)).rejects.toThrow(CUT)
  await vi.waitFor(async () => expect(await rows()).toHaveLength(1))
  expect((await post(sent)).status).toBe(200)
})

test('a partner that does not look at keys shows a double ship as two rows', async () => {
  const { url, post, rows, summary } = await partner()
  await putFaults(url, [
    { match: {}, fault: 'no_dedupe' },
    { match: { method: 'POST', nth: 1 }, fault: 'lose_answer' },
  ])
  await expect(post(sent)).rejects.toThrow(CUT)
  expect((await post(sent)).status).toBe(201)
  expect((await post(dispatch(keyOf('b'), [order('one')]))).status).toBe(201)
  expect(await rows()).toMatchObject([
    { fulfillment_id: 'ful_one', key: keyOf('a'), acceptances: 3 },
    { fulfillment_id: 'ful_one', key: keyOf('a'), acceptances: 3 },
    { fulfillment_id: 'ful_one', key: keyOf('b'), acceptances: 3 },
  ])
  expect((await summary()).body).toMatchObject({ duplicate_fulfillments: 1, fulfillments: 3 })
})

test('rates strike alike for one seed', () => {
  const strikes = (seed: number): unknown[] => {
    const script = faultScript()
    script.replace({ seed, rate: { lose_answer: 0.3, ghost: 0.2, no_dedupe: 0.5 } })
    return Array.from({ length: 200 }, () =>
      script.draw({ method: 'POST', path: PATH, key: undefined }),
    )
  }
  expect(strikes(4)).toEqual(strikes(4))
  expect(strikes(4)).not.toEqual(strikes(5))
  const faults = strikes(4).map((one) => fields(one)['fault'])
  expect(new Set(faults)).toEqual(new Set(['lose_answer', 'ghost', undefined]))
})
