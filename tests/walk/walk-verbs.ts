import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { invariant } from '#kernel/index.ts'
import { isLive, rowsOf } from './judge-ledgers.ts'
import { orderAt } from './walk-model.ts'
import type { ShopModel, ShopOrder } from './walk-model.ts'
import { placeNext, placedBody, sendOrder } from './shop-orders.ts'
import type { WalkVerb } from './walk-step.ts'
import type { Answer, WalkWorld } from './walk-world.ts'

/** What a step is given: the two numbers of the step choose what it acts on and how. */
export type StepInput = {
  readonly model: ShopModel
  readonly world: WalkWorld
  readonly pick: number
  readonly how: number
}

/** Does a step and returns what came of it, for the trace; throws if the answer is none it may give. */
export type WalkAction = (input: StepInput) => Promise<string>

// Refusals that a shop meets in ordinary work. 503 is allowed: the platform may say "later", never
// nothing.
const AWAY = new Set([
  'database_unavailable',
  'overloaded',
  'fulfillment_unavailable',
  'unavailable',
])

/** The answer's code, or its status where it is a success. Throws on 5xx without a code and on silence. */
function outcomeOf(verb: string, answer: Answer, allowed: readonly string[]): string {
  const code = typeof answer.body['code'] === 'string' ? answer.body['code'] : ''
  if (answer.status >= 200 && answer.status < 300) return String(answer.status)
  const isNamed = answer.status !== 0 && (allowed.includes(code) || AWAY.has(code))
  if (!isNamed)
    throw new Error(`${verb} was answered ${answer.status} ${JSON.stringify(answer.body)}`)
  return code
}

const place: WalkAction = async ({ model, world, how }) => {
  const order = placeNext(model, how)
  const answer = await sendOrder(world, order)
  const outcome = outcomeOf('place', answer, ['insufficient_stock', 'sku_quarantined'])
  if (outcome !== '201') return outcome
  takeAnswer(model, order, answer)
  return `${order.tag} ${order.verdict}`
}

function takeAnswer(model: ShopModel, order: ShopOrder, answer: Answer): void {
  const { id, token, review } = placedBody.parse(answer.body)
  order.id = id
  order.token = token
  order.verdict = review.verdict
  if (!model.orders.includes(order)) model.orders.push(order)
}

const repeat: WalkAction = async ({ model, world, pick, how }) => {
  const order = orderAt(model, pick)
  if (!order) return 'nothing'
  if (how % 3 > 0) {
    const answer = await sendOrder(world, order)
    const outcome = outcomeOf('repeat', answer, [])
    if (outcome !== '201') return outcome
    const { id } = placedBody.parse(answer.body)
    invariant(id === order.id, `the same order again is ${order.id}, not ${id}`)
    return `${order.tag} known`
  }
  const other = { ...order, body: order.body.replace('"qty":1', '"qty":2') }
  const answer = await sendOrder(world, other)
  return outcomeOf('repeat with other content', answer, [
    'idempotency_key_reused',
    'order_reference_conflict',
  ])
}

const DECISION_REFUSALS = [
  'order_shipped',
  'order_partly_shipped',
  'order_closed',
  'dispatch_sealed',
  'decision_refused',
]

const decide: WalkAction = async ({ model, world, pick, how }) => {
  const order = orderAt(model, pick)
  if (!order) return 'nothing'
  const verdict = how % 2 === 0 ? 'hold' : 'clear'
  const before = rowsOf(await world.ledgers(), order).filter(
    (row) => isLive(row) && row.shipped_at !== null,
  )
  const answer = await world.call('POST', `/admin/orders/${order.id}/decisions`, {
    as: 'admin',
    body: { verdict, reason: 'the walk decided so' },
  })
  const outcome = outcomeOf('decide', answer, DECISION_REFUSALS)
  if (outcome !== '201') return `${order.tag} ${verdict}: ${outcome}`
  invariant(
    verdict === 'clear' || before.length === 0,
    `order ${order.tag} had left with ${before[0]?.partner}, and a HOLD was answered 201`,
  )
  const own = rowsOf(await world.ledgers(), order).filter(isLive)
  const fulfillments = await fulfillmentsOf(world, order)
  // With a partner, or on its way there, a HOLD begins a recall, and the partner may say no.
  const isOnlyHere = fulfillments.every((one) => one === 'held')
  order.isHeldByPerson =
    verdict === 'hold' && own.length === 0 && isOnlyHere && fulfillments.length > 0
  order.changedAtStep = model.step
  return `${order.tag} ${verdict}`
}

const listedFulfillments = z.object({
  items: z.array(z.object({ order_id: z.string(), state: z.string() })),
})

async function fulfillmentsOf(world: WalkWorld, order: ShopOrder): Promise<readonly string[]> {
  const answer = await world.call('GET', '/admin/fulfillment-orders?limit=200', { as: 'admin' })
  if (answer.status !== 200) return []
  const { items } = listedFulfillments.parse(answer.body)
  return items.filter((one) => one.order_id === order.id).map((one) => one.state)
}

const CHANGE_REFUSALS = [
  'order_shipped',
  'order_partly_shipped',
  'order_closed',
  'decision_refused',
]

const cancel: WalkAction = async ({ model, world, pick }) => {
  const order = orderAt(model, pick)
  if (!order) return 'nothing'
  return cancelOrder(world, model, order)
}

/** Cancels as the buyer does. */
export async function cancelOrder(
  world: WalkWorld,
  model: ShopModel,
  order: ShopOrder,
): Promise<string> {
  const answer = await world.call('POST', `/store/orders/${order.id}/cancel`, {
    as: { orderToken: order.token },
    body: {},
  })
  const outcome = outcomeOf('cancel', answer, CHANGE_REFUSALS)
  if (outcome === '200') {
    order.isCancelled = true
    order.isHeldByPerson = false
    order.changedAtStep = model.step
  }
  return `${order.tag} ${outcome}`
}

const amend: WalkAction = async ({ model, world, pick, how }) => {
  const order = orderAt(model, pick)
  if (!order) return 'nothing'
  const answer = await world.call('PUT', `/store/orders/${order.id}/ship-to`, {
    as: { orderToken: order.token },
    body: { name: 'Walk', street: `${how} New Street`, city: 'London', country: 'GB' },
  })
  const outcome = outcomeOf('amend', answer, CHANGE_REFUSALS)
  if (outcome === '200' || outcome === '202') {
    // It is reviewed again: what a person held may be cleared by a rule.
    order.isHeldByPerson = false
    order.changedAtStep = model.step
  }
  return `${order.tag} ${outcome}`
}

const listedIds = z.object({ items: z.array(z.object({ id: z.string() })) })

const recall: WalkAction = async ({ world, pick }) => {
  const listed = await world.call('GET', '/admin/dispatches?limit=20', { as: 'admin' })
  const outcome = outcomeOf('list dispatches', listed, [])
  if (outcome !== '200') return outcome
  const { items } = listedIds.parse(listed.body)
  const chosen = items[pick % Math.max(1, items.length)]
  if (!chosen) return 'nothing'
  const answer = await world.call('POST', '/admin/recalls', {
    as: 'admin',
    body: { dispatches: [chosen.id], reason: 'the walk asks it back' },
  })
  return outcomeOf('recall', answer, [])
}

const giveBack: WalkAction = async ({ model, world, pick, how }) => {
  const order = orderAt(model, pick)
  if (!order) return 'nothing'
  const id = `walk-return-${order.tag}-${how % 2}`
  const line = { line: 1, qty: 1, condition: how % 3 === 0 ? 'damaged' : 'restock' }
  const answer = await world.call('POST', `/admin/orders/${order.id}/returns`, {
    as: 'admin',
    body: { return_id: id, returned_at: '2026-12-01T00:00:00Z', lines: [line] },
  })
  return `${order.tag} ${outcomeOf('return', answer, ['return_unmatched', 'return_conflict'])}`
}

const stock = z.object({
  items: z.array(
    z.object({
      sku: z.string(),
      location_id: z.string(),
      available: z.number(),
      reserved: z.number(),
    }),
  ),
})

const count: WalkAction = async ({ model, world, pick, how }) => {
  const order = orderAt(model, pick)
  if (!order) return 'nothing'
  const seen = await world.call('GET', `/admin/inventory?sku=${order.sku}&limit=10`, {
    as: 'admin',
  })
  const read = outcomeOf('inventory', seen, [])
  if (read !== '200') return read
  const [row] = stock.parse(seen.body).items
  if (!row) return 'nothing'
  model.counts += 1
  const id = `walk-count-${model.counts}`
  const counted = row.available + row.reserved + (how % 3)
  const recorded = await world.call('POST', '/admin/stock-counts', {
    as: 'admin',
    body: { id, lines: [{ sku: row.sku, location: row.location_id, counted }] },
  })
  const outcome = outcomeOf('count', recorded, ['count_conflict'])
  if (outcome !== '201') return outcome
  const decided = await world.call('POST', `/admin/stock-counts/${id}/decisions`, {
    as: 'admin',
    body: { verdict: how % 2 === 0 ? 'accept' : 'reject', reason: 'counted by the walk' },
  })
  return outcomeOf('decide a count', decided, [])
}

const FAULTS = [
  { fault: 'lose_answer', match: { method: 'POST', path: '/holdfast/*' } },
  { fault: 'ghost', match: { method: 'POST', path: '/holdfast/v1/dispatches' } },
  { fault: '500_after_commit', match: { method: 'POST', path: '/holdfast/*' } },
  { fault: 'truncate_answer', match: { method: 'POST', path: '/holdfast/*' } },
  { fault: 'lose_request', match: { path: '/holdfast/*' } },
  { fault: '429', match: { method: 'POST', path: '/holdfast/*' }, retry_after: 1 },
  { fault: 'repeat_event', match: {} },
  { fault: 'delay_event', match: {}, value: 500 },
] as const

const fault: WalkAction = async ({ world, pick, how }) => {
  const chosen = FAULTS[how % FAULTS.length]
  invariant(chosen, 'there are faults')
  const partners = world.partnerUrls()
  const times = 1 + (pick % 3)
  await setFaults(partners[pick % partners.length] ?? '', [{ ...chosen, times }])
  return `${chosen.fault} x ${times}`
}

/** Sets the fault script of a simulated partner. */
export async function setFaults(url: string, faults: readonly object[]): Promise<void> {
  const answer = await fetch(`${url}/faults`, { method: 'PUT', body: JSON.stringify({ faults }) })
  invariant(answer.ok, `the partner takes the faults: ${await answer.text()}`)
}

/** A person pauses a lane or opens it again; now and then the partner itself refuses us with 401. */
const pause: WalkAction = async ({ world, pick, how }) => {
  const index = pick % PARTNERS.length
  if (how % 4 === 0) {
    const match = { method: 'POST', path: '/holdfast/v1/dispatches' }
    const refused = { fault: 'status', value: 401, times: 1, match }
    await setFaults(world.partnerUrls()[index] ?? '', [refused])
    return '401 once'
  }
  const act = how % 4 === 1 ? 'pause' : 'resume'
  return `${PARTNERS[index]} ${act} ${await pauseOrResume(world, PARTNERS[index] ?? '', act)}`
}

/** Pauses or resumes the lane of a partner. */
export async function pauseOrResume(
  world: WalkWorld,
  partner: string,
  act: 'pause' | 'resume',
): Promise<string> {
  const path = `/admin/partners/${partner}/${act}`
  const answer = await world.call('POST', path, { as: 'admin', body: { reason: 'the walk' } })
  return outcomeOf(act, answer, [])
}

/** The sample partners, in the order of their addresses. */
export const PARTNERS = ['shipco', 'fastfreight', 'packlogic'] as const
const secrets = z.record(
  z.string(),
  z.object({ dispatchSecret: z.string(), eventSecret: z.string() }),
)

const rotate: WalkAction = async ({ world, pick }) => {
  const index = pick % PARTNERS.length
  const partner = PARTNERS[index] ?? 'shipco'
  const answer = await world.call('POST', `/admin/partners/${partner}/secrets`, {
    as: 'admin',
    body: { direction: 'dispatch', reason: 'the walk rotates', overlap_seconds: 86_400 },
  })
  const outcome = outcomeOf('rotate', answer, ['secret_overlap'])
  if (outcome !== '201') return `${partner} ${outcome}`
  const text = await readFile(join(world.dataDir, 'simulator', 'secrets.json'), 'utf8')
  const old = secrets.parse(JSON.parse(text))[partner]
  invariant(old, 'the partner knows its own secrets')
  const { secret } = z.object({ secret: z.string() }).parse(answer.body)
  const told = await fetch(`${world.partnerUrls()[index]}/secrets`, {
    method: 'PUT',
    body: JSON.stringify({ dispatch: [secret, old.dispatchSecret], event: [old.eventSecret] }),
  })
  invariant(told.ok, `the partner takes its new secret: ${told.status}`)
  return partner
}

const FLAGS = [
  'batch_retry_enabled',
  'fulfillment_webhook_async',
  'order_auto_approval_enabled',
  'order_hold_for_review_enabled',
  'idempotency_key_format_v2',
] as const

const flag: WalkAction = async ({ model, world, pick, how }) => {
  const key = FLAGS[pick % FLAGS.length] ?? 'batch_retry_enabled'
  const value = how % 2 === 0
  const answer = await world.call('PUT', `/admin/flags/${key}`, {
    as: 'admin',
    body: { value, reason: 'the walk sets it' },
  })
  const outcome = outcomeOf('flag', answer, ['flag_refused'])
  if (outcome === '200') model.flags.set(key, value)
  return `${key}=${value} ${outcome}`
}

const restart: WalkAction = async ({ model, world }) => {
  model.rareSteps += 1
  await world.restart()
  return 'up again'
}

/** Longer than a lease and a snapshot of flags under the timing of a rehearsal. */
const STALL_MS = 2_000

const stall: WalkAction = async ({ model, world, how }) => {
  model.rareSteps += 1
  const what = how % 2 === 0 ? 'platform' : 'database'
  await world.stall(what, STALL_MS)
  return what
}

const copy: WalkAction = async ({ model, world }) => {
  model.rareSteps += 1
  await world.copyDatabase()
  model.copiedAtStep = model.step
  return 'copied'
}

/** Puts the copy back; the shop sends again what it placed, cancelled and decided since. */
const restore: WalkAction = async ({ model, world }) => {
  const since = model.copiedAtStep
  if (since === undefined) return 'no copy'
  model.rareSteps += 1
  const changed = model.orders.filter((one) => one.changedAtStep > since)
  const cancelled = changed.filter((one) => one.isCancelled)
  for (const order of changed) {
    order.isCancelled = false
    order.isHeldByPerson = false
  }
  await world.restoreDatabase()
  const placed = model.orders.filter((one) => one.placedAtStep > since)
  for (const order of placed) {
    const answer = await sendOrder(world, order)
    const outcome = outcomeOf('send again', answer, ['insufficient_stock', 'sku_quarantined'])
    if (outcome === '201') takeAnswer(model, order, answer)
  }
  for (const order of cancelled) await cancelOrder(world, model, order)
  return `${placed.length} sent again, ${cancelled.length} cancelled again`
}

/** Every verb of the walk. */
export const ACTIONS: Readonly<Record<WalkVerb, WalkAction>> = {
  place,
  repeat,
  decide,
  cancel,
  amend,
  recall,
  return: giveBack,
  count,
  fault,
  pause,
  rotate,
  flag,
  restart,
  stall,
  copy,
  restore,
}
