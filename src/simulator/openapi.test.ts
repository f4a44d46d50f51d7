import { readFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { canonicalJson, invariant } from '#kernel/index.ts'
import { PROBLEMS } from './problem.ts'
import {
  dispatch,
  fields,
  keyOf,
  look,
  order,
  partner,
  put,
  putFaults,
  receiver,
  recallOf,
  send,
} from './sender.fixture.ts'
import type { Answered } from './sender.fixture.ts'

type Json = z.core.util.JSONType
type Tree = { readonly [name: string]: Json }

const document = asTree(JSON.parse(readFileSync('docs/reference/hdp-1.openapi.json', 'utf8')))
const LIST = '/holdfast/v1/dispatches'
const ONE = `${LIST}/{key}`
const RECALL = `${ONE}/recall`
const SHIPMENTS = '/holdfast/v1/shipments'

function asTree(value: unknown): Tree {
  return z.record(z.string(), z.json()).parse(value)
}

/** The node at a path of the document, with every reference followed. */
function at(...names: readonly string[]): Json | undefined {
  let node: Json | undefined = document
  for (const name of names) {
    const tree: Tree = node === undefined ? {} : asTree(follow(node))
    node = tree[name]
  }
  return node === undefined ? undefined : follow(node)
}

function follow(node: Json): Json {
  const reference = z.object({ $ref: z.string() }).safeParse(node)
  if (!reference.success) return node
  const found = at(...reference.data.$ref.slice('#/'.length).split('/'))
  invariant(found !== undefined, `${reference.data.$ref} is in the document`)
  return found
}

/** A schema without references, and closed: what is not described must not be said. */
function closed(node: Json): Json {
  const whole = follow(node)
  if (Array.isArray(whole)) return whole.map(closed)
  if (typeof whole !== 'object' || whole === null) return whole
  const tree: Record<string, Json> = {}
  for (const [name, child] of Object.entries(whole)) tree[name] = closed(child)
  return 'properties' in tree ? { ...tree, additionalProperties: false } : tree
}

function schemaAt(...names: readonly string[]) {
  const node = at(...names)
  invariant(node !== undefined, `${names.join(' ')} is described`)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return z.fromJSONSchema(closed(node) as z.core.JSONSchema.JSONSchema)
}

const seen = new Set<string>()

/** Holds one answer to what the document says of its path, method and status. */
function hold(path: string, method: 'get' | 'post', answer: Answered): Answered {
  const status = String(answer.status)
  seen.add(`${method} ${path} ${status}`)
  const place = ['paths', path, method, 'responses', status]
  const type = answer.headers.get('content-type') ?? ''
  expect(schemaAt(...place, 'content', type, 'schema').parse(answer.body)).toEqual(answer.body)
  const told = [...answer.headers].filter(([name]) => /^(holdfast|idempot|retry)/.test(name))
  for (const [name, value] of told) {
    const named = Object.keys(asTree(at(...place, 'headers') ?? {}))
    const known = named.find((one) => one.toLowerCase() === name)
    expect(known, `${name} of ${method} ${path} ${status}`).toBeDefined()
    expect(schemaAt(...place, 'headers', known ?? '', 'schema').parse(value)).toBe(value)
  }
  return answer
}

const bodyOf = (path: string) =>
  schemaAt('paths', path, 'post', 'requestBody', 'content', 'application/json', 'schema')

test('the document describes every answer of the simulated partner, and no other', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const one = await partner({ callbackUrl })
  const { url, post } = one
  const key = keyOf('a')
  const sent = dispatch(key, [order('one'), order('two')])
  const create = async (value: Parameters<typeof post>[0], headers = {}) =>
    hold(LIST, 'post', await post(value, headers))
  const get = async (path: string, query = '') =>
    hold(path, 'get', await look(`${url}${path.replace('{key}', key)}${query}`))
  const raw = async (method: 'get' | 'post', path: string, init: RequestInit) => {
    const response = await fetch(`${url}${path.replace('{key}', key)}`, init)
    const text = await response.text()
    const body = fields(JSON.parse(text))
    hold(path, method, { status: response.status, headers: response.headers, text, body })
  }

  expect(bodyOf(LIST).safeParse(sent).success).toBe(true)
  await get(ONE)
  await putFaults(url, [{ match: { nth: 1 }, fault: 'reject_orders' }])
  expect((await create(sent)).status).toBe(201)
  await create(sent)
  await create(sent, { 'content-digest': '' })
  await create(sent, { 'webhook-signature': 'v1,x' })
  await create(sent, { 'content-type': 'text/plain' })
  await create(dispatch(key, [order('one')]))
  await create(dispatch(keyOf('b'), [order('two')]))
  hold(LIST, 'post', await send(url + LIST, ' '.repeat(1_048_577), key))
  await vi.waitFor(() => expect(taken).toHaveLength(2))
  for (const path of [ONE, LIST, SHIPMENTS]) {
    await get(path)
    await raw('get', path, {})
  }
  await get(LIST, '?limit=0')
  await get(SHIPMENTS, '?after=x')

  const recall = async (name: string, over: object = {}) =>
    hold(RECALL, 'post', await recallOf(url, name, ['two', 'nine'], over))
  await recall(key)
  await recall(key)
  await recall(key, { reason: 'another' })
  await recall(keyOf('never'))
  await create(dispatch(keyOf('never'), [order('late')]))
  hold(ONE, 'get', await look(`${url}${LIST}/${keyOf('never')}`))
  const recallPath = RECALL.replace('{key}', key)
  const recallBody = (headers: Record<string, string>, body = '{}') =>
    send(url + recallPath, body, keyOf('r'), headers)
  hold(RECALL, 'post', await recallBody({}))
  hold(RECALL, 'post', await recallBody({ 'webhook-signature': 'v1,x' }))
  hold(RECALL, 'post', await recallBody({ 'content-type': 'text/plain' }))
  hold(RECALL, 'post', await recallBody({}, ' '.repeat(1_048_577)))
  await create(dispatch(keyOf('f'), [order('f')]), { 'holdfast-fence-epoch': '7' })
  hold(RECALL, 'post', await recallOf(url, keyOf('f'), ['f']))
  for (const path of [LIST, RECALL]) {
    const body = new Blob(['{}']).stream()
    await raw('post', path, { method: 'POST', body, duplex: 'half' })
  }
  await putFaults(url, [{ match: {}, fault: '429' }])
  await create(sent)
  for (const path of [ONE, LIST, SHIPMENTS]) await get(path)
  await recall(key)
  await putFaults(url, [])

  await put(`${url}/profile`, { grade: 'B' })
  await create(dispatch(keyOf('ttl'), [order('ttl')]), { 'holdfast-fence-epoch': '7' })
  await put(`${url}/profile`, { grade: 'C', processing_delay_ms: 1 })
  expect((await create(dispatch(keyOf('c'), [order('c')]))).status).toBe(202)
  await put(`${url}/profile`, { grade: 'D' })
  for (const path of [ONE, LIST, SHIPMENTS]) await get(path)
  await recall(key)
  expect([...seen].toSorted()).toEqual(described())
})

/** Every answer that the document describes, but the failures that no partner promises. */
function described(): readonly string[] {
  const answers = Object.keys(asTree(at('paths'))).flatMap((path) =>
    ['get', 'post'].flatMap((method) =>
      Object.keys(asTree(at('paths', path, method, 'responses') ?? {})).map(
        (status) => `${method} ${path} ${status}`,
      ),
    ),
  )
  expect(answers.length).toBeGreaterThan(30)
  return answers.filter((one) => !one.endsWith('5XX')).toSorted()
}

test('the document describes the requests of Holdfast and the events of the partner', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const { post } = await partner({ callbackUrl })
  const sent = dispatch(keyOf('a'), [order('one')])
  await post(sent)
  await vi.waitFor(() => expect(taken).toHaveLength(2))
  const request = ['webhooks', 'event', 'post', 'requestBody'] as const
  const event = schemaAt(...request, 'content', 'application/json', 'schema')
  for (const { body } of taken) expect(event.parse(body)).toEqual(body)
  const isDispatch = (over: object): boolean => bodyOf(LIST).safeParse({ ...sent, ...over }).success
  expect(isDispatch({})).toBe(true)
  expect(isDispatch({ probe: true, sequence: 0 })).toBe(true)
  expect(isDispatch({ orders: [order('one', { hold_for_review: true })] })).toBe(false)
  expect(isDispatch({ key: 'hfd1-short' })).toBe(false)
  expect(canonicalJson(sent)).toContain('hold_for_review')
})

test('the codes of the document are the codes of the partner', () => {
  const codes = z
    .array(z.string())
    .parse(at('components', 'schemas', 'Problem', 'properties', 'code', 'enum'))
  // Those two answer whoever runs the simulation.
  const own = new Set(['faults_invalid', 'settings_invalid'])
  const all = Object.keys(PROBLEMS).filter((one) => !own.has(one))
  expect(codes.toSorted()).toEqual(all.toSorted())
})
