/** One guard taken out of the source, and the named test that must go red without it. */
export type Mutant = {
  readonly name: string
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
  /** The test file that holds the guard, and a part of the name of its test. */
  readonly testFile: string
  readonly test: string
}

const DISPATCH = 'src/fulfillment/dispatch'

/** Guards that the promise rests on. Each is taken out alone. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a completion without its fence',
    file: `${DISPATCH}/dispatch-statements.ts`,
    find: ' and d.lease_token = s.token',
    replace: '',
    testFile: 'tests/simulation/table-agrees.test.ts',
    test: 'does what the statements do',
  },
  {
    name: 'a send without a recorded intent',
    file: `${DISPATCH}/dispatch-statements.ts`,
    find: `set state = 'sending', lease_token = $token,`,
    replace: `set lease_token = $token,`,
    testFile: `${DISPATCH}/dispatch-crash.test.ts`,
    test: 'after the intent and before the send',
  },
  {
    name: '5xx taken as a definite failure',
    file: `${DISPATCH}/classify-response.ts`,
    find: `if (isRefusal) return`,
    replace: `if (isRefusal || status >= 500) return`,
    testFile: `${DISPATCH}/dispatch-faults.test.ts`,
    test: '500 after the partner committed',
  },
  {
    name: 'a 2xx without a matching echo taken as success',
    file: `${DISPATCH}/classify-response.ts`,
    find: `read.content_sha256 !== sealed.contentSha256`,
    replace: `read.content_sha256 === ''`,
    testFile: `${DISPATCH}/dispatch-faults.test.ts`,
    test: 'an echo of other content',
  },
  {
    name: 'time in the key',
    file: 'src/fulfillment/idempotency-key.ts',
    find: `{ v: 1, merchant, partner, op, batch, revision }`,
    replace: `{ v: 1, merchant, partner, op, batch, revision, at: Date.now() }`,
    testFile: 'src/fulfillment/idempotency-key.test.ts',
    test: 'the keys of HDP/1 are these',
  },
  {
    name: 'an absent verdict that clears',
    file: 'src/wire/settle-verdict.ts',
    find: `return { kind: 'hold', reasons: ['verdict_missing'] }`,
    replace: `return { kind: 'clear' }`,
    testFile: 'src/wire/settle-verdict.test.ts',
    test: 'holds where nobody decided',
  },
  {
    name: 'an approval certificate that nobody checks at the seal',
    file: 'src/fulfillment/seal/approval-check.ts',
    find: `if (decision.approval === null) return false`,
    replace: `return true`,
    testFile: 'src/fulfillment/seal/guards.test.ts',
    test: 'a CLEAR row written by hand opens nothing',
  },
  {
    name: 'a manifest that nobody compares',
    file: 'src/wire/open-hand-over.ts',
    find: `if (!agreed.ok) return agreed`,
    replace: '',
    testFile: 'src/wire/open-hand-over.test.ts',
    test: 'a manifest',
  },
  {
    name: 'a boot without the ship-once index',
    file: 'src/fulfillment/seal/ship-once-index.ts',
    find: `if (await hasShipOnceIndex(database)) return`,
    replace: `if (await hasShipOnceIndex(database).catch(() => true) || true) return`,
    testFile: 'src/fulfillment/seal/guards.test.ts',
    test: 'without the ship-once index',
  },
  {
    name: 'sealed bytes sent without their proof',
    file: 'src/fulfillment/seal/seal-proof.ts',
    find: `bytesEqual(macOf(key, facts), mac)`,
    replace: `true`,
    testFile: 'src/fulfillment/seal/forged-dispatch.test.ts',
    test: 'quarantined unsent',
  },
  {
    name: 'class C sent to again inside its settle window',
    file: `${DISPATCH}/next-dispatch-state.ts`,
    find: `if (unknownForMs < settleMs)`,
    replace: `if (unknownForMs < 0)`,
    testFile: `${DISPATCH}/dispatch-lanes.test.ts`,
    test: 'inside the settle window',
  },
  {
    name: 'a lost lease queued again instead of asked about',
    file: `${DISPATCH}/next-dispatch-state.ts`,
    find: `return canBeAsked(terms) ? 'unknown' : 'needs_operator'`,
    replace: `return 'queued'`,
    testFile: 'tests/simulation/simulation.test.ts',
    test: 'class D',
  },
  {
    name: 'a send under a lease that is nearly over',
    file: `${DISPATCH}/reason-not-to-send.ts`,
    find: `if (facts.leaseLeftMs <= facts.sendBudgetMs)`,
    replace: `if (facts.leaseLeftMs <= Number.NEGATIVE_INFINITY)`,
    testFile: `${DISPATCH}/reason-not-to-send.test.ts`,
    test: 'lease_spent',
  },
  {
    name: 'a partner whose ledger went back sent to as before',
    file: `${DISPATCH}/next-dispatch-state.ts`,
    find: `if (sequence.seen === undefined || sequence.seen >= sequence.accepted) return next`,
    replace: `if (sequence.seen !== null) return next`,
    testFile: 'tests/simulation/simulation.test.ts',
    test: 'restores an old backup',
  },
  {
    name: 'more goods than were ordered, called by nobody',
    file: 'src/fulfillment/ship/inbound-lattice.ts',
    find: `if (units > (ordered.get(line) ?? 0))`,
    replace: `if (units > Number.POSITIVE_INFINITY)`,
    testFile: 'tests/simulation/simulation.test.ts',
    test: 'outlive the settle window',
  },
  {
    name: 'a sale that takes more than there is',
    file: 'src/inventory/stock-statements.ts',
    find: 'and s.available >= d.units and s.quarantined_at is null',
    replace: '',
    testFile: 'src/inventory/stock.test.ts',
    test: 'fails the transaction of a sale that takes more than a row has',
  },
  {
    name: 'a remembered price that nobody compares',
    file: 'src/orders/place/gather-facts.ts',
    find: 'expectPrices(tx, merchant, products),',
    replace: 'Promise.resolve(),',
    testFile: 'src/orders/place/placing-memory.test.ts',
    test: 'a price',
  },
  {
    name: 'a used key placed again by memory',
    file: 'src/orders/place/place-statements.ts',
    find: 'hold_or_fail(count(*) = cardinality($keys)',
    replace: 'hold_or_fail(count(*) >= 0 * cardinality($keys)',
    testFile: 'src/orders/place/placing-memory.test.ts',
    test: 'a key that was used',
  },
]
