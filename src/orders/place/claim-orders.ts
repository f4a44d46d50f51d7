import { accept, bytesEqual, invariant, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import {
  claimKeys,
  claimReferences,
  claimUnusedKeys as claimUnusedKeysStatement,
  selectKeys,
  selectReferences,
} from './place-statements.ts'
import type { PlaceItem } from './place-item.ts'
import { contentSha256 } from './place-request.ts'

/** Thrown to roll a batch back and run it again with what was learned. */
export class RunAgain extends Error {}

/**
 * Claims the Idempotency-Keys (sorted), then the references (sorted) of a batch. Answers each item:
 * accepted (new or known), or refused `idempotency_key_reused`, `order_reference_conflict`.
 */
export async function claimOrders(
  tx: Transaction,
  merchant: string,
  items: readonly PlaceItem[],
): Promise<ReadonlyMap<PlaceItem, Outcome<void>>> {
  const answers = new Map<PlaceItem, Outcome<void>>(items.map((item) => [item, accept(undefined)]))
  await claimByKey(tx, merchant, items, answers)
  const fresh = items.filter((item) => !item.isKnown && answers.get(item)?.ok)
  await claimByReference(tx, merchant, fresh, answers)
  return answers
}

/**
 * Claims the Idempotency-Keys (sorted) of items that are expected to be new, without references; fails the
 * transaction where one was used.
 */
export async function claimUnusedKeys(
  tx: Transaction,
  merchant: string,
  items: readonly PlaceItem[],
): Promise<void> {
  invariant(
    items.every((item) => item.reference === null),
    'a reference is claimed by asking',
  )
  const { keyed, params } = keysOf(merchant, items)
  if (keyed.length > 0) await many(tx, claimUnusedKeysStatement, params)
}

function keysOf(merchant: string, items: readonly PlaceItem[]) {
  const keyed = items.flatMap((item) =>
    item.request.idempotency ? [{ item, ...item.request.idempotency }] : [],
  )
  const params = {
    merchant,
    scopes: keyed.map((one) => one.scope),
    keys: keyed.map((one) => one.key),
    requests: keyed.map((one) => one.requestSha256),
    orders: keyed.map((one) => one.item.orderId),
  }
  return { keyed, params }
}

async function claimByKey(
  tx: Transaction,
  merchant: string,
  items: readonly PlaceItem[],
  answers: Map<PlaceItem, Outcome<void>>,
): Promise<void> {
  const { keyed, params } = keysOf(merchant, items)
  if (keyed.length === 0) return
  const claimed = await many(tx, claimKeys, params)
  if (claimed.length === keyed.length) return
  const mine = new Set(claimed.map((row) => `${row.scope}\n${row.key}`))
  const taken = new Map(
    (await many(tx, selectKeys, params)).map((row) => [`${row.scope}\n${row.key}`, row]),
  )
  for (const { item, scope, key, requestSha256 } of keyed) {
    const row = taken.get(`${scope}\n${key}`)
    if (mine.has(`${scope}\n${key}`) || !row) continue
    if (bytesEqual(row.request_sha256, requestSha256)) {
      item.orderId = row.order_id
      item.isKnown = true
    } else {
      answers.set(
        item,
        refuse('idempotency_key_reused', 'This Idempotency-Key was used with another body.'),
      )
    }
  }
}

async function claimByReference(
  tx: Transaction,
  merchant: string,
  items: readonly PlaceItem[],
  answers: Map<PlaceItem, Outcome<void>>,
): Promise<void> {
  const named = items.flatMap((item) =>
    item.reference === null
      ? []
      : [{ item, reference: item.reference, content: contentSha256(item.request.input) }],
  )
  if (named.length === 0) return
  const refs = named.map((one) => one.reference)
  const claimed = await many(tx, claimReferences, {
    merchant,
    refs,
    contents: named.map((one) => one.content),
    orders: named.map((one) => one.item.orderId),
  })
  if (claimed.length === named.length) return
  const mine = new Set(claimed.map((row) => row.reference))
  const taken = new Map(
    (await many(tx, selectReferences, { merchant, refs })).map((row) => [row.reference, row]),
  )
  let mustRunAgain = false
  for (const { item, reference, content } of named) {
    const row = taken.get(reference)
    if (mine.has(reference) || !row) continue
    if (!bytesEqual(row.content_sha256, content)) {
      answers.set(
        item,
        refuse('order_reference_conflict', `${reference} exists with other content.`, {
          field: 'order_id',
        }),
      )
      continue
    }
    // A key of this batch already names the id we made; it must name the order that exists.
    if (item.request.idempotency) mustRunAgain = true
    item.orderId = row.order_id
    item.isKnown = true
  }
  if (mustRunAgain) throw new RunAgain('a reference was placed before')
}
