import { lengthPrefixed, sha256, sortableDigits } from '#kernel/index.ts'
import type { FulfillmentLine } from './seal/seal-body.ts'

/** What the id of a fulfillment order says of itself. */
export type NamedFulfillment = {
  /** The identity of its order: 26 digits (130 bits), the same each time the shop sends that order. */
  readonly identity: string
  /** The revision of the order, from 1. */
  readonly revision: number
  /** The number of this part among the parts of that revision, from 1. */
  readonly part: number
  /** 12 digits (60 bits) of the SHA-256 of its lines. */
  readonly lines: string
}

const FORM = /^ful_([0-9a-v]{26})x([1-9]\d{0,9})x([1-9]\d{0,3})x([0-9a-v]{12})$/

/**
 * The id of a part of an order that has a name: `ful_<identity>x<revision>x<part>x<lines>`. It depends on
 * nothing else, neither on place nor on time, so that an order that is sent again after a restore makes the
 * ids that a partner already holds. `x` is no digit of the others. At most 59 characters.
 */
export function fulfillmentId(
  name: Omit<NamedFulfillment, 'lines'>,
  lines: readonly FulfillmentLine[],
): string {
  return `ful_${name.identity}x${name.revision}x${name.part}x${linesDigest(lines)}`
}

/** What an id says; undefined for ids of earlier builds and of orders without a name, which are random. */
export function readFulfillmentId(id: string): NamedFulfillment | undefined {
  const [, identity, revision, part, lines] = FORM.exec(id) ?? []
  if (identity === undefined || lines === undefined) return undefined
  return { identity, revision: Number(revision), part: Number(part), lines }
}

/** Twelve digits over line ids, SKUs and units, whatever the order of the lines. */
export function linesDigest(lines: readonly FulfillmentLine[]): string {
  const fields = lines
    .map(({ line_id, sku, qty }) => lengthPrefixed([line_id, sku, String(qty)]))
    .toSorted((a, b) => Buffer.compare(a, b))
  return sortableDigits(sha256(lengthPrefixed(fields)), 12)
}
