import type { Command } from 'commander'
import { z } from 'zod'
import { fulfillmentChecks } from '#fulfillment/index.ts'
import { inventoryChecks } from '#inventory/index.ts'
import { holdRate, orderChecks, unreadRules } from '#orders/index.ts'
import { reconciliationChecks } from '#reconciliation/index.ts'
import { read } from '#platform/index.ts'
import { subscriptionChecks } from '#subscriptions/index.ts'
import type { Context } from '#platform/index.ts'
import { addCommand } from './command.ts'
import { age, table } from './format-text.ts'
import { withInstallation } from './with-installation.ts'

type Violation = { readonly subject: string; readonly detail: string }
type Checked = { readonly claim: string; readonly violations: readonly Violation[] }

/** `status`, `verify`. */
export function addHealthCommands(program: Command): void {
  addCommand(program, {
    usage: 'status',
    summary: 'how many orders are in each state, and the oldest that waits there',
    example: 'holdfast status --json',
    input: z.object({}),
    run: () =>
      withInstallation(async ({ context }) => {
        const { readStats } = await import('#roles/index.ts')
        const stats = await readStats(context)
        const rate = await holdRate(context.database, context.merchant)
        const rows = [...stats.stages, ...stats.work_lists].map((one) => [
          one.label,
          one.count,
          age(one.oldest_seconds),
        ])
        const held = rate === undefined ? '-' : `${(rate * 100).toFixed(1)}%`
        return {
          json: { ...stats, hold_rate: rate ?? null },
          text: `${table(['STATE', 'COUNT', 'OLDEST'], rows)}\n\nHeld of the last 200 decided: ${held}`,
        }
      }),
  })
  addCommand(program, {
    usage: 'verify',
    summary:
      'recompute every counter from its ledger and check every invariant; exit 1 if one fails',
    example: 'holdfast verify',
    input: z.object({}),
    run: () =>
      withInstallation(async ({ context }) => {
        const checks = await runChecks(context)
        const isSound = checks.every((one) => one.violations.length === 0)
        return {
          json: {
            ok: isSound,
            checks: checks.map((one) => ({ ...one, ok: one.violations.length === 0 })),
          },
          text: checks.flatMap(checkLines).join('\n'),
          isRefused: !isSound,
        }
      }),
  })
}

async function runChecks({ database, merchant }: Context): Promise<readonly Checked[]> {
  const checked: Checked[] = []
  for (const { claim, find } of [
    ...inventoryChecks,
    ...orderChecks,
    ...fulfillmentChecks,
    ...reconciliationChecks,
    ...subscriptionChecks,
  ]) {
    checked.push({ claim, violations: await read(database, find, { merchant }) })
  }
  checked.push({
    claim: 'this build can read the stored rules, promise policy and flags',
    violations: await unreadRules(database, merchant),
  })
  return checked
}

function checkLines({ claim, violations }: Checked): readonly string[] {
  if (violations.length === 0) return [`ok    ${claim}`]
  return [
    `FAIL  ${claim}`,
    ...violations.map(({ subject, detail }) => `        ${subject}: ${detail}`),
  ]
}
