import { invariant } from '#kernel/index.ts'
import { change, maybe, statement, jsonOf } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { INITIAL_PROMISE } from './promise/promise.ts'
import type { PromisePolicy } from './promise/promise.ts'
import type { ReviewRules } from './review.ts'

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
export type RuleSet = {
  readonly version: number
  readonly rules: ReviewRules
  readonly promise: PromisePolicy
  readonly now_ms: number
}

const selectRules = statement({
  name: 'orders.select_rules',
  params: { merchant: 'text' },
  row: {
    version: 'int4',
    rules: jsonOf<ReviewRules>(),
    now_ms: 'int8',
    promise: jsonOf<PromisePolicy | null>(),
  },
  // One statement for both: intake asks once a batch.
  text: `
    select version, rules, (extract(epoch from now()) * 1000)::int8 as now_ms,
           (select jsonb_build_object('version', p.version, 'handlingDays', p.handling_days,
                                      'workingDays', p.working_days)
              from orders.promise_policy p
             where p.merchant_id = $merchant
             order by p.version desc
             limit 1) as promise
      from orders.rule_set
     where merchant_id = $merchant
     order by version desc
     limit 1`,
})

// By content, not by version alone: after a failover that lost a change the same number may stand for other
// rules. A second: more than a clock that is told at every batch can be off, less than a promise is measured in.
const expectRulesAndTimeStatement = statement({
  name: 'orders.expect_rules_and_time',
  params: {
    merchant: 'text',
    version: 'int4',
    rules: 'jsonb',
    promise: 'int4',
    handling_days: 'int4',
    working_days: 'text[]',
    now_ms: 'int8',
  },
  row: { now_ms: 'int8', holds: 'bool' },
  text: `
    select n.now_ms,
           platform.hold_or_fail(
             (select version = $version and rules = $rules from orders.rule_set
               where merchant_id = $merchant order by version desc limit 1)
             and coalesce(
               (select version = $promise and handling_days = $handling_days and working_days = $working_days
                  from orders.promise_policy
                 where merchant_id = $merchant order by version desc limit 1),
               $promise = 0)
             and abs(n.now_ms - $now_ms) <= 1000, 'rules and time') as holds
      from (select (extract(epoch from now()) * 1000)::int8 as now_ms) as n`,
})

const insertRules = statement({
  name: 'orders.insert_rules',
  params: { merchant: 'text', rules: 'jsonb' },
  text: `
    insert into orders.rule_set (merchant_id, version, rules, actor, reason)
    values ($merchant, 1, $rules, 'service:orders', 'initial rules')
    on conflict do nothing`,
})

/** The newest rules; a shop that has none yet gets the initial ones as version 1. */
export async function currentRules(tx: Transaction, merchant: string): Promise<RuleSet> {
  const known = await maybe(tx, selectRules, { merchant })
  if (known) return { ...known, promise: known.promise ?? INITIAL_PROMISE }
  await change(tx, insertRules, { merchant, rules: JSON.stringify(INITIAL_RULES) })
  const made = await maybe(tx, selectRules, { merchant })
  invariant(made, 'rules exist once they are written')
  return { ...made, promise: made.promise ?? INITIAL_PROMISE }
}

/**
 * Fails the transaction (`isExpectationFailed`) unless these are the newest rules and promise policy, with this
 * content, and `now_ms` is the database's time to within a second; answers with that time. For a caller that
 * remembers them and does not wait for the answer.
 */
export async function expectRulesAndTime(
  tx: Transaction,
  merchant: string,
  { version, rules, promise, now_ms }: RuleSet,
): Promise<number> {
  const row = await maybe(tx, expectRulesAndTimeStatement, {
    merchant,
    version,
    rules: JSON.stringify(rules),
    promise: promise.version,
    handling_days: promise.handlingDays,
    working_days: promise.workingDays,
    now_ms,
  })
  invariant(row, 'a look at the clock gives one row')
  return row.now_ms
}
