/** A line as the order keeps it: priced, in the order given, numbered from 1. */
export type OrderLine = {
  readonly line: number
  readonly sku: string
  readonly qty: number
  readonly unit_price_minor: number
}

/** A charge as the order keeps it. */
export type OrderCharge = {
  readonly code: string
  readonly qty: number
  readonly unit_price_minor: number
}

/** Sum of qty × unit price over the lines, in minor units: what the hold rule looks at. */
export function goodsMinor(lines: readonly OrderLine[]): number {
  return lines.reduce((sum, line) => sum + line.qty * line.unit_price_minor, 0)
}

/** Sum of qty × unit price over the charges, in minor units; may be negative. */
export function chargesMinor(charges: readonly OrderCharge[] | undefined): number {
  return (charges ?? []).reduce((sum, one) => sum + one.qty * one.unit_price_minor, 0)
}
