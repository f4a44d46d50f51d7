import { z } from 'zod'
import type { LabPartner } from './start-partners.ts'

const row = z.object({ fulfillment_id: z.string(), key: z.string() })
const summary = z.object({
  fulfillments: z.number(),
  shipped: z.number(),
  replays: z.number(),
  events_pending: z.number(),
})
const faults = z.object({ struck: z.array(z.number()) })

/** What the partners' own ledgers say; the worlds under test have no hand in it. */
export type Ledgers = {
  /** Dispatches that partners accepted. */
  readonly dispatches: number
  /** Accepted dispatches with an order that the same partner had accepted before. */
  readonly duplicateBatches: number
  readonly partnersWithDuplicates: number
  /** Fulfillments of orders accepted more than once, over all partners. */
  readonly doubleFulfillments: number
  /** Every fulfillment that any partner accepted, each once. */
  readonly fulfillments: ReadonlySet<string>
  /** Requests that came again under a key that the partner knew, and changed nothing. */
  readonly replays: number
  /** Requests that were taken and never answered. */
  readonly answersLost: number
}

/** Reads every ledger and judges it. Throws where a partner does not answer. */
export async function readLedgers(partners: readonly LabPartner[]): Promise<Ledgers> {
  const read = await Promise.all(partners.map(readOne))
  const acceptances = new Map<string, number>()
  for (const { fulfillments } of read) {
    for (const id of fulfillments) acceptances.set(id, (acceptances.get(id) ?? 0) + 1)
  }
  const sum = (of: (one: (typeof read)[number]) => number): number =>
    read.reduce((total, one) => total + of(one), 0)
  return {
    dispatches: sum((one) => one.dispatches),
    duplicateBatches: sum((one) => one.duplicates),
    partnersWithDuplicates: read.filter((one) => one.duplicates > 0).length,
    doubleFulfillments: [...acceptances.values()].filter((count) => count > 1).length,
    fulfillments: new Set(acceptances.keys()),
    replays: sum((one) => one.replays),
    answersLost: sum((one) => one.answersLost),
  }
}

/** True once every partner has shipped what it accepted and has told of it. */
export async function haveShipped(partners: readonly LabPartner[]): Promise<boolean> {
  const read = await Promise.all(partners.map(({ url }) => json(`${url}/ledger/summary`)))
  return read
    .map((one) => summary.parse(one))
    .every((one) => one.events_pending === 0 && one.shipped === one.fulfillments)
}

async function readOne({ url }: LabPartner) {
  const rows = (await text(`${url}/ledger`))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => row.parse(JSON.parse(line)))
  const { replays } = summary.parse(await json(`${url}/ledger/summary`))
  const { struck } = faults.parse(await json(`${url}/faults`))
  const accepted = acceptedDispatches(rows)
  return {
    dispatches: accepted.length,
    duplicates: duplicatesIn(accepted),
    fulfillments: rows.map((one) => one.fulfillment_id),
    replays,
    answersLost: struck.reduce((total, one) => total + one, 0),
  }
}

/** One acceptance: the run of rows with one key, as the ledger writes it in one piece. */
export function acceptedDispatches(
  rows: readonly { readonly key: string; readonly fulfillment_id: string }[],
): readonly (readonly string[])[] {
  const accepted: string[][] = []
  let lastKey = ''
  for (const { key, fulfillment_id } of rows) {
    const last = accepted.at(-1)
    // The same fulfillment again begins another acceptance, also under the same key.
    if (last && key === lastKey && !last.includes(fulfillment_id)) last.push(fulfillment_id)
    else accepted.push([fulfillment_id])
    lastKey = key
  }
  return accepted
}

/** Acceptances with an order that an earlier one of the same partner had already. */
export function duplicatesIn(accepted: readonly (readonly string[])[]): number {
  const seen = new Set<string>()
  let duplicates = 0
  for (const fulfillments of accepted) {
    if (fulfillments.some((id) => seen.has(id))) duplicates += 1
    for (const id of fulfillments) seen.add(id)
  }
  return duplicates
}

async function text(url: string): Promise<string> {
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`)
  return answer.text()
}

async function json(url: string): Promise<unknown> {
  return JSON.parse(await text(url))
}
