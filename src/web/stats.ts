/** How many orders are somewhere, and how old the oldest of them is in seconds. */
export type Counted = {
  readonly id: string
  readonly label: string
  readonly count: number
  readonly oldest_seconds: number | null
  readonly href?: string
}

/** What `/admin/stats` tells: where orders are, and what waits for a person. */
export type Stats = {
  readonly stages: readonly Counted[]
  readonly work_lists: readonly Counted[]
  readonly held: number
}

/** Reads the counts now. */
export type ReadStats = () => Promise<Stats>
