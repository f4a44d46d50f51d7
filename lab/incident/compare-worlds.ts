import type { LabAnswer } from '../scenarios.ts'
import type { Figures } from './figures.ts'
import { REPORTED } from './figures.ts'
import { WATCHED_SKU } from './parameters.ts'
import type { Parameters } from './parameters.ts'
import type { Comparison } from './run-incident.ts'

type Row = {
  readonly id: keyof Figures
  readonly label: string
  readonly show?: (value: number) => string
}

const percent = (value: number): string => `${Math.round(value * 1_000) / 10} %`

const ROWS: readonly Row[] = [
  { id: 'orders', label: 'orders placed' },
  { id: 'heldByReview', label: 'held by review', show: percent },
  { id: 'holdRate', label: 'held at fulfillment', show: percent },
  { id: 'unreviewedAccepted', label: 'held by review, at a partner' },
  { id: 'dispatches', label: 'dispatches accepted' },
  { id: 'answersLost', label: 'answers that never came' },
  { id: 'duplicateBatches', label: 'duplicate batch dispatches' },
  { id: 'partnersWithDuplicates', label: 'partners with duplicates' },
  { id: 'doubleFulfillments', label: 'orders accepted twice' },
  { id: 'keyReplays', label: 'known key, nothing done' },
  { id: 'negativeSkus', label: 'SKUs below zero' },
  { id: 'watchedUnits', label: `stock of ${WATCHED_SKU}` },
]

/** What each free parameter is, in the words of the output. */
const PARAMETER_WORDS: { readonly [name in keyof Parameters]: string } = {
  orders: 'orders',
  heldShare: 'share of orders that the rules hold',
  linesPerOrder: 'lines of an order',
  skus: 'SKUs beside the watched one',
  slackUnits: 'units in stock beyond what is ordered, of each',
  watchedShare: `share of orders with a ${WATCHED_SKU}`,
  watchedSlackUnits: 'units of it in stock beyond what is ordered',
  handOverOrders: 'orders of a hand-over',
  relayOrdersMax: 'the relay damages hand-overs of more orders than',
  dispatchOrders: 'orders of an unguarded dispatch',
  lostAnswers: 'dispatches taken and never answered',
  lostAmong: 'each among the first requests of its partner',
  silenceMs: 'ms a partner is silent before it hangs up',
  unguardedTimeoutMs: 'ms the unguarded sender waits at most',
}

/** What must hold in our world, by name; what does not is why the lab fails. */
export function faultsOf({ holdfast, unguarded }: Comparison): readonly string[] {
  const { figures, refused } = holdfast
  const codes = refused.map(({ code }) => code)
  const claims: readonly (readonly [string, boolean])[] = [
    ['every order was placed in both worlds', figures.orders === unguarded.orders],
    ['the hold rate is the one of review', figures.holdRate === figures.heldByReview],
    ['nothing that review held is at a partner', figures.unreviewedAccepted === 0],
    ['no batch was dispatched twice', figures.duplicateBatches === 0],
    ['no order was accepted twice', figures.doubleFulfillments === 0],
    ['no SKU is below zero', figures.negativeSkus === 0],
    ['orders flow', figures.dispatches > 0],
    ['the relay struck', holdfast.damagedOrders > 0 && codes.includes('verdict_count_mismatch')],
    ['answers were lost', figures.answersLost > 0],
    ['both flags were refused', codes.filter((code) => code === 'flag_refused').length === 2],
    ['a database of the product is refused to the lab', codes.includes('product_database')],
    ['a database of the lab is refused to the product', codes.includes('lab_database')],
  ]
  return claims.filter(([, holds]) => !holds).map(([claim]) => claim)
}

/** The comparison as `holdfast lab run` prints it. */
export function compareWorlds(comparison: Comparison): LabAnswer {
  const { seed, parameters, unguarded, holdfast, durationS } = comparison
  const faults = faultsOf(comparison)
  const json = {
    scenario: 'incident-2026-02-07',
    seed,
    duration_s: durationS,
    held: faults.length === 0,
    faults,
    reported: REPORTED,
    unguarded,
    holdfast: holdfast.figures,
    refused: holdfast.refused,
    parameters: { calibrated: true, ...parameters },
  }
  const text = [
    figureTable(unguarded, holdfast.figures),
    '',
    'Refused in Holdfast:',
    ...holdfast.refused.map(({ what, code, times }) => `  ${code.padEnd(24)} ${times} × ${what}`),
    '',
    'Free parameters, calibrated to the report:',
    ...parameterLines(parameters),
    '',
    `Seed ${seed}, ${durationS} s. ${faults.length === 0 ? 'Holdfast held.' : `Holdfast did NOT hold: ${faults.join('; ')}.`}`,
  ].join('\n')
  return { json, text, isBad: faults.length > 0 }
}

function figureTable(unguarded: Figures, ours: Figures): string {
  const reported: Partial<Record<keyof Figures, number>> = REPORTED
  const rows = ROWS.map(({ id, label, show = String }) => {
    const told = reported[id]
    return [label, told === undefined ? '' : show(told), show(unguarded[id]), show(ours[id])]
  })
  return [['', 'report', 'unguarded', 'Holdfast'], ['', '', 'measured', 'measured'], ...rows]
    .map(
      ([label = '', ...cells]) => label.padEnd(32) + cells.map((one) => one.padStart(11)).join(''),
    )
    .map((line) => line.trimEnd())
    .join('\n')
}

function parameterLines(parameters: Parameters): readonly string[] {
  const words: readonly (readonly [string, string])[] = Object.entries(PARAMETER_WORDS)
  const values: ReadonlyMap<string, number> = new Map(Object.entries(parameters))
  return words.map(([name, means]) => `  ${means.padEnd(50)} ${values.get(name)}`)
}
