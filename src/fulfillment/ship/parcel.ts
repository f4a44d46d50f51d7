import type { RowOf } from '#platform/index.ts'
import type { lockShipped, selectReleased, selectShippedLines } from './inbox-statements.ts'
import type { EventShipment } from './partner-event.ts'

/** One parcel as a partner reported it. */
export type ReportedShipment = EventShipment & {
  readonly partner: string
  readonly shippedAt: string
  /** The key of the dispatch that the partner shipped by. */
  readonly dispatchKey: string
}

/** A parcel of an order that we know, with what its dispatch claims; `claim` absent where it claims nothing. */
export type PlacedParcel = {
  readonly id: string
  readonly parcel: ReportedShipment
  readonly target: RowOf<typeof lockShipped.row>
  readonly claim?: {
    readonly dispatchId: string
    readonly generation: number
    readonly state: string
  }
}

/** The generation that a parcel is of: that of the claim, else the one that the order is in. */
export const generationOf = ({ claim, target }: Pick<PlacedParcel, 'claim' | 'target'>): number =>
  claim?.generation ?? target.generation

type Line = { readonly line_id: string; readonly sku: string; readonly qty: number }
type Units = Map<string, Map<string, number>>

const lineName = (line: Pick<Line, 'line_id' | 'sku'>): string => `${line.line_id} ${line.sku}`

/** Counts the units of orders and generations by line, and what of them may leave. */
export class UnitBook {
  readonly #shipped: Units = new Map()
  readonly #released: Units = new Map()

  constructor(
    shipped: readonly RowOf<typeof selectShippedLines.row>[],
    released: readonly RowOf<typeof selectReleased.row>[],
  ) {
    for (const row of shipped) add(this.#shipped, bookOf(row), row.lines)
    for (const row of released) add(this.#released, bookOf(row), [row])
  }

  /** Adds a parcel and answers the units of its order and generation that left with it. */
  ship(fulfillment: string, generation: number, lines: readonly Line[]) {
    return add(this.#shipped, bookOf({ fulfillment_id: fulfillment, generation }), lines)
  }

  /** Units that may leave: those ordered, less those given up as short. */
  allowed(fulfillment: string, generation: number, ordered: readonly Line[]) {
    const gone = this.#released.get(bookOf({ fulfillment_id: fulfillment, generation }))
    return new Map(
      ordered.map((line) => [lineName(line), line.qty - (gone?.get(lineName(line)) ?? 0)]),
    )
  }
}

const bookOf = (row: { readonly fulfillment_id: string; readonly generation: number }): string =>
  `${row.fulfillment_id} ${row.generation}`

function add(units: Units, book: string, lines: readonly Line[]): ReadonlyMap<string, number> {
  const ofOne = units.get(book) ?? new Map<string, number>()
  for (const line of lines) ofOne.set(lineName(line), (ofOne.get(lineName(line)) ?? 0) + line.qty)
  units.set(book, ofOne)
  return ofOne
}
