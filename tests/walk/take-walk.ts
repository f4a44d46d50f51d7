import { vi } from 'vitest'
import { z } from 'zod'
import { invariant } from '#kernel/index.ts'
import { harmsIn, isLive, rowsOf } from './judge-ledgers.ts'
import { stockShelves } from './shop-shelves.ts'
import { newShop } from './walk-model.ts'
import type { ShopModel } from './walk-model.ts'
import type { WalkStep } from './walk-step.ts'
import { ACTIONS, PARTNERS, pauseOrResume, setFaults } from './walk-verbs.ts'
import { openWalkWorld } from './walk-world.ts'
import type { WalkWorld } from './walk-world.ts'

const RARE = new Set(['restart', 'stall', 'copy', 'restore'])
const SETTLED_MAX_MS = 180_000

/** What a walk did, for the report. */
export type WalkReport = {
  readonly steps: number
  readonly rareSteps: number
  readonly orders: number
  readonly taken: Readonly<Record<string, number>>
}

/**
 * Takes the steps one by one over real processes and judges after each. Throws at the first harm, with
 * the trace of what was done so far.
 */
export async function takeWalk(
  steps: readonly WalkStep[],
  options: { readonly rareStepsMax: number; readonly onStep?: (step: WalkStep) => void },
): Promise<WalkReport> {
  const world = await openWalkWorld()
  const model = newShop(options.rareStepsMax)
  const trace: string[] = []
  const taken: Record<string, number> = {}
  try {
    await stockShelves(world, steps.length + 1)
    for (const step of steps) {
      if (RARE.has(step.verb) && model.rareSteps >= model.rareStepsMax) continue
      model.step += 1
      options.onStep?.(step)
      const said = await ACTIONS[step.verb]({ ...step, model, world })
      trace.push(`${model.step} ${step.verb} ${said}`)
      taken[step.verb] = (taken[step.verb] ?? 0) + 1
      judge(model, harmsIn(model, await world.ledgers()))
    }
    await settle(model, world)
    return { steps: model.step, rareSteps: model.rareSteps, orders: model.orders.length, taken }
  } catch (fault) {
    throw new Error(`${String(fault)}\nThe last steps:\n${trace.slice(-40).join('\n')}`, {
      cause: fault,
    })
  } finally {
    await world.close()
  }
}

function judge(model: ShopModel, harms: readonly string[]): void {
  invariant(harms.length === 0, `after step ${model.step}: ${harms.join('; ')}`)
}

/** Heals every fault, turns the switches back, and waits until each order is where it should be. */
async function settle(model: ShopModel, world: WalkWorld): Promise<void> {
  for (const url of world.partnerUrls()) await setFaults(url, [])
  for (const partner of PARTNERS) await pauseOrResume(world, partner, 'resume')
  for (const key of ['order_auto_approval_enabled', 'batch_retry_enabled']) {
    const body = { value: true, reason: 'the walk is over' }
    const answer = await world.call('PUT', `/admin/flags/${key}`, { as: 'admin', body })
    invariant(answer.status === 200, `${key} is on again: ${JSON.stringify(answer.body)}`)
  }
  await vi.waitFor(
    async () => {
      const open = await unsettled(model, world)
      invariant(
        open.length === 0,
        `${open.length} orders are nowhere: ${open.slice(0, 5).join('; ')}`,
      )
    },
    { timeout: SETTLED_MAX_MS, interval: 500 },
  )
  judge(model, harmsIn(model, await world.ledgers()))
  const verified = await world.command(['verify'])
  invariant(verified.code === 0, `the books are equal: ${verified.stdout}\n${verified.stderr}`)
}

const shown = z.object({ state: z.string(), stage: z.string(), verdict: z.string() })

/** Orders that are neither with one partner nor in a list that names them. */
async function unsettled(model: ShopModel, world: WalkWorld): Promise<readonly string[]> {
  const rows = await world.ledgers()
  const waiting = await workLists(world)
  const open: string[] = []
  for (const order of model.orders) {
    if (rowsOf(rows, order).some(isLive)) continue
    const answer = await world.call('GET', `/admin/orders/${order.id}`, { as: 'admin' })
    const { state, stage, verdict } = shown.parse(answer.body)
    const isNamed =
      state !== 'placed' || verdict === 'hold' || waiting.has(order.id) || stage === 'in review'
    if (!isNamed) open.push(`order ${order.tag} (${order.id}): ${state}, ${stage}, ${verdict}`)
  }
  return open
}

const fulfillments = z.object({
  items: z.array(z.object({ order_id: z.string(), state: z.string() })),
  next_cursor: z.string().nullable(),
})

/** Ids of orders that a list of work names: held or refused fulfillment orders. */
async function workLists(world: WalkWorld): Promise<ReadonlySet<string>> {
  const named = new Set<string>()
  for (const state of ['held', 'rejected', 'recalled']) {
    let cursor = ''
    do {
      const path = `/admin/fulfillment-orders?limit=200&state=${state}${cursor}`
      const answer = await world.call('GET', path, { as: 'admin' })
      const page = fulfillments.parse(answer.body)
      for (const one of page.items) named.add(one.order_id)
      cursor = page.next_cursor === null ? '' : `&cursor=${page.next_cursor}`
    } while (cursor !== '')
  }
  return named
}
