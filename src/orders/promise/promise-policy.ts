import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import {
  appendAudit,
  many,
  maybe,
  read,
  route,
  statement,
  withTransaction,
} from '#platform/index.ts'
import type { AnyRoute, Context, Database, RowOf } from '#platform/index.ts'
import { INITIAL_PROMISE, WEEKDAYS } from './promise.ts'
import type { PromisePolicy, Weekday } from './promise.ts'

/** A policy with who set it and why; nobody where it is the one that is built in. */
export type SetPolicy = PromisePolicy & {
  readonly actor: string | null
  readonly reason: string | null
  readonly at: Date | null
}

const selectPolicies = statement({
  name: 'orders.select_promise_policies',
  params: { merchant: 'text', limit: 'int4' },
  row: {
    version: 'int4',
    handling_days: 'int4',
    working_days: 'text[]',
    actor: 'text',
    reason: 'text',
    at: 'timestamptz',
  },
  text: `
    select version, handling_days, working_days, actor, reason, at from orders.promise_policy
     where merchant_id = $merchant
     order by version desc
     limit $limit`,
})

// Two people at once take the same number: the second finds it taken and reads again.
const insertPolicy = statement({
  name: 'orders.insert_promise_policy',
  params: {
    merchant: 'text',
    version: 'int4',
    handling_days: 'int4',
    working_days: 'text[]',
    actor: 'text',
    reason: 'text',
  },
  row: { at: 'timestamptz' },
  text: `
    insert into orders.promise_policy
      (merchant_id, version, handling_days, working_days, actor, reason)
    values ($merchant, $version, $handling_days, $working_days, $actor, $reason)
    on conflict do nothing
    returning at`,
})

/** A policy as it is given: at most a year of working days, at least one weekday. */
export const policyInput = z.strictObject({
  handling_days: z.int().min(0).max(365),
  working_days: z
    .array(z.enum(WEEKDAYS))
    .min(1)
    .max(7)
    .refine((days) => new Set(days).size === days.length, 'a day stands twice')
    .optional(),
  reason: z.string().trim().min(1).max(500),
})

/** The policies of a shop, the one in force first, at most 100; the built-in one stands at the end. */
export async function promisePolicies(
  database: Database,
  merchant: string,
): Promise<readonly [SetPolicy, ...SetPolicy[]]> {
  return policiesOf(await read(database, selectPolicies, { merchant, limit: 100 }))
}

function policiesOf(
  rows: readonly RowOf<typeof selectPolicies.row>[],
): readonly [SetPolicy, ...SetPolicy[]] {
  const set = rows.map((row): SetPolicy => ({
    version: row.version,
    handlingDays: row.handling_days,
    workingDays: WEEKDAYS.filter((day) => row.working_days.includes(day)),
    actor: row.actor,
    reason: row.reason,
    at: row.at,
  }))
  const built: SetPolicy = { ...INITIAL_PROMISE, actor: null, reason: null, at: null }
  const [first, ...rest] = set
  return first ? [first, ...rest, built] : [built]
}

/**
 * Sets how promises are made from now on, as a new version; orders that were taken keep theirs. Working
 * days that are not given stay as they are. Audited. Answers the policy in force.
 */
export async function setPromisePolicy(
  context: Context,
  wanted: {
    readonly handlingDays: number
    readonly workingDays?: readonly Weekday[] | undefined
    readonly actor: string
    readonly reason: string
  },
): Promise<SetPolicy> {
  const { merchant } = context
  const { actor, reason, handlingDays } = wanted
  for (;;) {
    const set = await withTransaction(context.database, async (tx) => {
      const [before] = policiesOf(await many(tx, selectPolicies, { merchant, limit: 1 }))
      const { version: last } = before
      const workingDays = wanted.workingDays ?? before.workingDays
      const version = last + 1
      const row = await maybe(tx, insertPolicy, {
        merchant,
        version,
        handling_days: handlingDays,
        working_days: workingDays,
        actor,
        reason,
      })
      if (!row) return undefined
      await appendAudit(tx, merchant, {
        actor,
        action: 'orders.promise_policy',
        subjectId: merchant,
        reason,
        before: policyBody(before),
        after: { version, handling_days: handlingDays, working_days: workingDays },
      })
      return { version, handlingDays, workingDays, actor, reason, at: row.at }
    })
    if (set) return set
  }
}

/** A policy as the API and the command line show it. */
export function policyBody(policy: SetPolicy) {
  return {
    version: policy.version,
    handling_days: policy.handlingDays,
    working_days: policy.workingDays,
    actor: policy.actor,
    reason: policy.reason,
    at: policy.at,
  }
}

/** `/admin/promise-policy`. */
export function promiseRoutes(context: Context): readonly AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/admin/promise-policy',
      summary: 'How the promise of an order is made that brings none, and every policy before',
      access: { kind: 'scope', scope: 'orders:read' },
      audit: { none: 'read' },
      handle: async () => {
        const [first, ...rest] = await promisePolicies(context.database, context.merchant)
        return accept({
          status: 200,
          body: { ...policyBody(first), earlier: rest.map(policyBody) },
        })
      },
    }),
    route({
      method: 'PUT',
      path: '/admin/promise-policy',
      summary: 'Set how promises are made from now on; orders that were taken keep theirs',
      access: { kind: 'scope', scope: 'admin:write' },
      audit: { action: 'orders.promise_policy' },
      body: policyInput,
      handle: async ({ body, caller }) => {
        const set = await setPromisePolicy(context, {
          handlingDays: body.handling_days,
          workingDays: body.working_days,
          reason: body.reason,
          actor: caller.actor,
        })
        return accept({ status: 200, body: policyBody(set) })
      },
    }),
  ]
}
