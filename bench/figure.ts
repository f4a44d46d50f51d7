/** One figure of a bench; `ratio` where it compares two sides of the same run. */
export type Figure = {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly ratio?: number
  readonly goal?: string
  readonly met?: boolean
}

/** What `--quick` shortens: one pair instead of five, two seconds instead of four. */
export type Effort = { readonly pairs: number; readonly seconds: number }

/** The middle value. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** A figure that must be at least, or at most, its goal. */
export function ratioFigure(
  name: string,
  ratio: number,
  goal: { atLeast: number } | { atMost: number },
): Figure {
  const met = 'atLeast' in goal ? ratio >= goal.atLeast : ratio <= goal.atMost
  return {
    name,
    value: ratio,
    unit: '×',
    ratio,
    goal: 'atLeast' in goal ? `≥ ${goal.atLeast} ×` : `≤ ${goal.atMost} ×`,
    met,
  }
}
