// The auditor: it reads the partners' ledgers and our export as text, and shares no code with the
// dispatcher. A fulfillment is double where it was accepted more than once over all partners, and lost
// where no partner has it and no list that a person works on names it.

/** What the auditor found. Ids are fulfillment orders. */
export type Audit = {
  readonly ordered: number
  readonly accepted: number
  readonly double: readonly string[]
  readonly lost: readonly string[]
  /** Our books say accepted, and no partner has it. */
  readonly falselyAccepted: readonly string[]
  /** A partner has it and our books say that it has not, outside of a work list. */
  readonly unknownToUs: readonly string[]
  /** Not settled yet: queued, on its way, or being asked about. */
  readonly pending: readonly string[]
  readonly workList: readonly string[]
}

const IN_WORK_LIST = new Set(['needs_operator', 'quarantined'])
const PENDING = new Set(['open', 'queued', 'sending', 'unknown'])

/**
 * Compares ledgers (NDJSON, a row a fulfillment order and partner, with `fulfillment_id` and
 * `acceptances`) with our export (CSV without header: fulfillment id, state of its dispatch).
 */
export function audit(ledgers: readonly string[], exported: string): Audit {
  const acceptances = new Map<string, number>()
  for (const ledger of ledgers) {
    for (const line of ledger.split('\n')) {
      if (line === '') continue
      const row: unknown = JSON.parse(line)
      if (typeof row !== 'object' || row === null) throw new Error(`not a ledger row: ${line}`)
      const id = 'fulfillment_id' in row ? String(row.fulfillment_id) : ''
      const count = 'acceptances' in row ? Number(row.acceptances) : Number.NaN
      if (id === '' || !Number.isInteger(count)) throw new Error(`not a ledger row: ${line}`)
      acceptances.set(id, (acceptances.get(id) ?? 0) + count)
    }
  }
  const states = new Map<string, string>()
  for (const line of exported.split('\n')) {
    if (line === '') continue
    const [id, state] = line.split(',')
    if (id === undefined || state === undefined) throw new Error(`not an export row: ${line}`)
    states.set(id, state)
  }
  const ids = [...states.keys()]
  const has = (id: string): boolean => (acceptances.get(id) ?? 0) > 0
  const inState = (of: ReadonlySet<string>) => ids.filter((id) => of.has(states.get(id) ?? ''))
  const workList = inState(IN_WORK_LIST)
  const pending = inState(PENDING)
  const unsettled = new Set([...workList, ...pending])
  return {
    ordered: ids.length,
    accepted: ids.filter(has).length,
    double: [...acceptances].filter(([, count]) => count > 1).map(([id]) => id),
    lost: ids.filter((id) => !has(id) && !unsettled.has(id) && states.get(id) !== 'rejected'),
    falselyAccepted: ids.filter((id) => states.get(id) === 'accepted' && !has(id)),
    unknownToUs: [
      ...[...acceptances.keys()].filter((id) => !states.has(id)),
      ...ids.filter((id) => has(id) && !unsettled.has(id) && states.get(id) !== 'accepted'),
    ],
    pending,
    workList,
  }
}
