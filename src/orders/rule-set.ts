import { invariant } from '#kernel/index.ts'
import { maybe, statement } from '#platform/index.ts'
import type { RowOf, Transaction } from '#platform/index.ts'
import type { ReviewRules } from './review.ts'
import { rulesReader, storedReviewRules } from './stored-rules.ts'
import type { ReadRules, StoredRules } from './stored-rules.ts'

/** The rules of a new shop: the hold rule of the sample data, in pence. */
export const INITIAL_RULES: ReviewRules = {
  valueMinor: 50_000,
  lineQuantity: 200,
  guestValueMinor: 25_000,
  homeCountry: 'GB',
}

/**
 * Rules, the version that every decision made with them names, the policy of promises, and database
 * time in milliseconds.
 */
export type RuleSet = ReadRules & {
  readonly version: number
  /** As the database holds them: what `expectRulesAndTime` compares. */
  readonly stored: StoredRules
  readonly now_ms: number
}

// The whole row, so that a column of a newer build is seen; without who wrote it, when and why.
const contentOf = (alias: string): string =>
  `(to_jsonb(${alias}) - array['merchant_id', 'actor', 'reason', 'at'])`

const NEWEST_RULES = `
      from orders.rule_set r
     where r.merchant_id = $merchant
     order by r.version desc
     limit 1`
const NEWEST_PROMISE = `
      from orders.promise_policy p
     where p.merchant_id = $merchant
     order by p.version desc
     limit 1`

/** Newest rules and policy in one statement: intake asks once a batch. As text, so that no number is rounded. */
export const selectRules = statement({
  name: 'orders.select_rules',
  params: { merchant: 'text' },
  row: { version: 'int4', rules: 'text', now_ms: 'int8', promise: 'text?' },
  text: `
    select r.version, ${contentOf('r')}::text as rules,
           (extract(epoch from now()) * 1000)::int8 as now_ms,
           (select ${contentOf('p')}::text ${NEWEST_PROMISE}) as promise ${NEWEST_RULES}`,
})

// By content, not by version alone: after a failover that lost a change the same number may stand for other
// rules. A second: more than a clock that is told at every batch can be off, less than a promise is measured in.
const expectRulesAndTimeStatement = statement({
  name: 'orders.expect_rules_and_time',
  params: { merchant: 'text', rules: 'jsonb', promise: 'jsonb?', now_ms: 'int8' },
  row: { now_ms: 'int8', holds: 'bool' },
  text: `
    select n.now_ms,
           platform.hold_or_fail(
             (select ${contentOf('r')} ${NEWEST_RULES}) = $rules
             and (select ${contentOf('p')} ${NEWEST_PROMISE}) is not distinct from $promise
             and abs(n.now_ms - $now_ms) <= 1000, 'rules and time') as holds
      from (select (extract(epoch from now()) * 1000)::int8 as now_ms) as n`,
})

const insertRules = statement({
  name: 'orders.insert_rules',
  params: { merchant: 'text', version: 'int4', rules: 'jsonb', actor: 'text', reason: 'text' },
  row: { at: 'timestamptz' },
  text: `
    insert into orders.rule_set (merchant_id, version, rules, actor, reason)
    values ($merchant, $version, $rules, $actor, $reason)
    on conflict do nothing
    returning at`,
})

const readStored = rulesReader()

/**
 * The newest rules; a shop that has none yet gets the initial ones as version 1. Rules or a promise policy that
 * this build cannot read are `unread`, and hold every order.
 */
export async function currentRules(tx: Transaction, merchant: string): Promise<RuleSet> {
  const known = await maybe(tx, selectRules, { merchant })
  if (known) return toRuleSet(known)
  await appendRules(tx, merchant, {
    version: 1,
    rules: INITIAL_RULES,
    actor: 'service:orders',
    reason: 'initial rules',
  })
  const made = await maybe(tx, selectRules, { merchant })
  invariant(made, 'rules exist once they are written')
  return toRuleSet(made)
}

/**
 * Writes a version of the rules, by the schema that they are read with. Returns when it was written; undefined
 * if that version exists.
 */
export async function appendRules(
  tx: Transaction,
  merchant: string,
  { rules, ...row }: { version: number; rules: ReviewRules; actor: string; reason: string },
): Promise<Date | undefined> {
  const checked = JSON.stringify(storedReviewRules.parse(rules))
  return (await maybe(tx, insertRules, { merchant, ...row, rules: checked }))?.at
}

function toRuleSet({ version, rules, promise, now_ms }: RowOf<typeof selectRules.row>): RuleSet {
  const stored = { rules, promise }
  return { ...readStored(stored), version, stored, now_ms }
}

/**
 * Fails the transaction (`isExpectationFailed`) unless these are the newest rules and promise policy, with this
 * content, and `now_ms` is the database's time to within a second; answers with that time. For a caller that
 * remembers them and does not wait for the answer.
 */
export async function expectRulesAndTime(
  tx: Transaction,
  merchant: string,
  { stored, now_ms }: RuleSet,
): Promise<number> {
  const row = await maybe(tx, expectRulesAndTimeStatement, { merchant, ...stored, now_ms })
  invariant(row, 'a look at the clock gives one row')
  return row.now_ms
}
