/** What our books say of a line of a partner's bill. */
export type InvoiceVerdict = 'matched' | 'over_billed' | 'billed_twice' | 'billed_not_shipped'

/** A line of a bill; `amountMinor` is for all of its units. */
export type BilledLine = {
  readonly units: number
  readonly amountMinor: number
}

/** Units of an order and SKU that the partner was given and has shipped, and what was matched before. */
export type Shipped = { readonly units: number; matched: number }

/** How a line was judged; `disputedMinor` is what we do not owe. */
export type JudgedLine = {
  readonly verdict: InvoiceVerdict
  readonly matchedUnits: number
  readonly disputedMinor: number
}

/**
 * Matches a billed line with shipped units that no bill has had yet, and takes them. What is beyond
 * them is disputed: a part of the line (`over_billed`), all of it because another line had them
 * (`billed_twice`), or because nothing left (`billed_not_shipped`). Half a minor unit goes to us.
 */
export function judgeLine(line: BilledLine, shipped: Shipped | undefined): JudgedLine {
  const left = shipped ? Math.max(0, shipped.units - shipped.matched) : 0
  const matchedUnits = Math.min(line.units, left)
  if (shipped) shipped.matched += matchedUnits
  const owed = Math.floor((line.amountMinor * matchedUnits) / line.units)
  return {
    verdict: verdictOf(line.units, matchedUnits, shipped),
    matchedUnits,
    disputedMinor: line.amountMinor - owed,
  }
}

function verdictOf(
  units: number,
  matchedUnits: number,
  shipped: Shipped | undefined,
): InvoiceVerdict {
  if (matchedUnits === units) return 'matched'
  if (matchedUnits > 0) return 'over_billed'
  return shipped !== undefined && shipped.units > 0 ? 'billed_twice' : 'billed_not_shipped'
}
