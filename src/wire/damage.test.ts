import { create, fromBinary } from '@bufbuild/protobuf'
import { afterAll, describe, expect, test } from 'vitest'
import { bytesEqual, invariant, orThrow, REFUSALS, seededRandom, sha256 } from '#kernel/index.ts'
import { recordFigure } from '../../tests/record-figure.ts'
import { checkReceipt } from './check-receipt.ts'
import { BLIND, CONSISTENT, rechunk } from './damage.fixture.ts'
import type { Damage, Stream } from './damage.fixture.ts'
import {
  HandOverRequestSchema,
  HandOverResponseSchema,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { HandOverRequest, HandOverResponse } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { HandOverRecord } from './hand-over-record.ts'
import { firstFault, handOverReader } from './open-hand-over.ts'
import type { OpenedHandOver } from './open-hand-over.ts'
import { encode, KEYS, open, plain, record, seal } from './record.fixture.ts'
import { settleVerdict } from './settle-verdict.ts'

const VERDICTS = ['hold', 'clear', 'clear', 'hold', 'clear', 'unspecified'] as const
const RECORDS = VERDICTS.map((verdict, n) => record(n, { verdict }))
const OTHERS = VERDICTS.toReversed().map((verdict, n) => record(50 + n, { verdict }))
const SENT = seal(RECORDS)
const HOLDS = RECORDS.filter((one) => one.verdict !== 'clear').length
const OTHER = seal(OTHERS, 'hov_2')
const LANES = [6, 3, 1].map((size) => {
  const stream = rechunk(encode(SENT.envelopes), size)
  const { digest } = orThrow(open(stream))
  const other = rechunk(encode(OTHER.envelopes), size)
  return { stream, other, sent: { ...SENT, digest, holds: HOLDS } }
})
type Sent = (typeof LANES)[number]['sent']
const CLEARED = new Map(
  [...RECORDS, ...OTHERS].filter((one) => one.verdict === 'clear').map((one) => [one.orderId, one]),
)

/** What a certificate speaks of: what would ship, from where, and the decision that let it. */
const certified = (one: HandOverRecord): string =>
  JSON.stringify({
    merchant: one.merchant,
    orderId: one.orderId,
    currency: one.currency,
    orderNumber: one.orderNumber,
    revision: one.revision,
    identity: one.identity,
    shipByMs: one.shipByMs,
    lines: one.lines,
    shipTo: one.shipTo,
    orderDigest: Buffer.from(one.orderDigest).toString('hex'),
    decisionId: one.decisionId,
    decisionNumber: one.decisionNumber,
    effectiveAtMs: one.effectiveAtMs,
  })

type Result = { readonly code: string; readonly opened?: OpenedHandOver }

/** Reads as the receiver does: to the first refusal, or to the end. */
function read(stream: Stream): Result {
  const reader = handOverReader()
  for (const bytes of stream) {
    const envelope = parse(bytes)
    // A transport gives up where an envelope is no message; what came before it is still no batch.
    if (!envelope) break
    const pushed = reader.push(envelope)
    if (!pushed.ok) return { code: pushed.refusal.code }
  }
  const finished = reader.finish()
  const opened = finished.ok ? firstFault(finished.value) : finished
  return opened.ok ? { code: 'opened', opened: opened.value } : { code: opened.refusal.code }
}

function parse(bytes: Uint8Array): HandOverRequest | undefined {
  try {
    return fromBinary(HandOverRequestSchema, bytes)
  } catch {
    return undefined
  }
}

const textOf = (records: readonly HandOverRecord[]): string => JSON.stringify(records.map(plain))
const SENT_TEXT = textOf(read(encode(SENT.envelopes)).opened?.records ?? [])

/** True where a cleared order is not one that was cleared with this very content. */
function isWrongClear(one: HandOverRecord): boolean {
  const twin = CLEARED.get(one.orderId)
  return !twin || certified(one) !== certified(twin)
}

/** The answer to one damaged stream: a refusal code, `unharmed`, `held`, or what is WRONG with it. */
function judge(damaged: Stream, sent: Sent): string {
  const { code, opened } = read(damaged)
  if (!opened)
    return Object.hasOwn(REFUSALS, code) ? code : `WRONG: ${code} is not in the catalogue`
  if (read(damaged.slice(0, -1)).opened) return 'WRONG: it opens without its last envelope'
  const cleared = opened.records.filter((one) => settleVerdict(one, KEYS).kind === 'clear')
  const wrong = cleared.find(isWrongClear)
  if (wrong) return `WRONG: ${wrong.orderId} is cleared`
  // The sender hears of every difference: the receipt of other bytes is not the one it expects.
  const isSame = bytesEqual(opened.digest, sent.digest) && textOf(opened.records) === SENT_TEXT
  const isEcho = checkReceipt(sent, receiptOf(opened, cleared.length)).ok
  if (isEcho !== isSame) return 'WRONG: the receipt hides the difference'
  return isSame ? 'unharmed' : 'held'
}

function receiptOf(opened: OpenedHandOver, clears: number): HandOverResponse {
  const { batchId, digest: rollingDigest } = opened
  const records = opened.records.length
  const holds = records - clears
  return create(HandOverResponseSchema, { batchId, rollingDigest, records, holds, clears })
}

const CASES = 1_400
const DAMAGES = new Map<string, Damage>(Object.entries({ ...BLIND, ...CONSISTENT }))
// `DAMAGE_CASE=flip_bit/17` tries that one case again: its name is its seed.
const ONLY = process.env['DAMAGE_CASE']
const [ONLY_KIND, ONLY_INDEX] = ONLY?.split('/') ?? []
const KINDS = [...DAMAGES.keys()].filter((kind) => ONLY === undefined || kind === ONLY_KIND)

/** Inflicts one kind of damage over streams of one, two and six chunks; counts the answers. */
function inflict(kind: string): Record<string, number> {
  const damage = DAMAGES.get(kind)
  invariant(damage, `${kind} is a kind of damage`)
  const answers: Record<string, number> = {}
  for (let index = 0; index < CASES; index += 1) {
    if (ONLY !== undefined && String(index) !== ONLY_INDEX) continue
    const random = seededRandom(sha256(`${kind}/${index}`).readUInt32BE())
    const lane = LANES[index % LANES.length]
    invariant(lane, 'there are lanes')
    const answer = judge(damage(lane.stream, random, lane.other), lane.sent)
    const told = answer.startsWith('WRONG') ? `${answer} (DAMAGE_CASE=${kind}/${index})` : answer
    answers[told] = (answers[told] ?? 0) + 1
  }
  return answers
}

// What must come of the damage that the incident was made of, and of the attacks on its cure.
const ANSWERS: Readonly<Record<string, readonly string[]>> = {
  drop_end: ['envelope_truncated'],
  truncate_fix_length: ['envelope_digest'],
  reencode_no_47_all: ['verdict_count_mismatch'],
  reencode_no_47_all_recounted: ['held'],
  reencode_no_48_all: ['held'],
  reencode_no_48_all_recounted: ['held'],
  reencode_no_47_48_all: ['verdict_count_mismatch'],
  reencode_swap_all: ['verdict_count_mismatch'],
  reencode_swap_all_recounted: ['held'],
  reencode_quantity: ['order_digest_mismatch'],
  reencode_quantity_recounted: ['order_digest_mismatch'],
  reencode_quantity_redigested: ['held'],
  reencode_lose_record: ['manifest_mismatch'],
  reencode_double_record_recounted: ['manifest_mismatch'],
}

describe('a damaged hand-over', () => {
  const totals = new Map<string, number>()
  const begun = performance.now()
  afterAll(() => {
    const cases = [...totals.values()].reduce((all, one) => all + one, 0)
    const seconds = Math.round((performance.now() - begun) / 1000)
    recordFigure('wire', {
      cases,
      kinds: KINDS.length,
      seconds,
      answers: Object.fromEntries(totals),
    })
  })

  test('is one of 70,000 cases and more, of streams that open unharmed before', () => {
    expect(LANES.map(({ stream, sent }) => judge(stream, sent))).toEqual(
      LANES.map(() => 'unharmed'),
    )
    expect(DAMAGES.size * CASES).toBeGreaterThanOrEqual(70_000)
  })

  test.each(KINDS)('by %s never clears what was not cleared', (kind) => {
    const answers = inflict(kind)
    for (const [answer, count] of Object.entries(answers))
      totals.set(answer, (totals.get(answer) ?? 0) + count)
    const given = Object.keys(answers).toSorted()
    expect(given.filter((answer) => answer.startsWith('WRONG'))).toEqual([])
    expect(given).toEqual(ANSWERS[kind] ?? given)
    const tried = Object.values(answers).reduce((all, one) => all + one, 0)
    expect(tried).toBe(ONLY === undefined ? CASES : 1)
  })
})
