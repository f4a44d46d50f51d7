import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import { sealProver } from '#fulfillment/index.ts'
import { listPartners, partnerSecrets } from '#partners/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import { clearLane, reconcileShipments } from '#reconciliation/index.ts'
import type { ShipmentRun } from '#reconciliation/index.ts'
import type { Installation } from '#roles/index.ts'
import { addCommand, addGroup } from './command.ts'
import type { Answer } from './command.ts'
import { addCountCommands } from './count-commands.ts'
import { addInvoiceCommand } from './invoice-commands.ts'
import { table } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

/** `reconcile shipments|clear|stock|count|decide|invoice`. */
export function addReconcileCommands(program: Command): void {
  const group = addGroup(program, 'reconcile', 'hold our books against those of partners')
  addCommand(group, {
    usage: 'shipments [partner]',
    summary: 'compare dispatches with the manifest of a partner, or of all, both ways',
    example: 'holdfast reconcile shipments shipco',
    input: z.object({ partner: z.string().optional() }),
    run: ({ partner }) =>
      withInstallation(async (installation) => {
        const { database, merchant } = installation.context
        const all = partner === undefined ? await listPartners(database, merchant) : []
        const names = partner === undefined ? all.map((one) => one.id) : [partner]
        return runsAnswer(await compareAll(installation, names))
      }),
  })
  addCountCommands(group)
  addInvoiceCommand(group)
  addCommand(group, {
    usage: 'clear <partner>',
    summary: 'open the lane of a partner without a manifest after a restore, on your word',
    example: 'holdfast reconcile clear packlogic --reason "asked for every batch since Monday"',
    options: [['--reason <text>', 'what you rely on; the audit table keeps it']],
    input: z.object({ partner: z.string(), reason: z.string('says why').min(1).max(500) }),
    run: ({ partner, reason }) =>
      withInstallation(async ({ context }) => {
        const done = orThrow(await clearLane(context, { partner, reason, actor: cliActor() }))
        const text = done.wasShut ? `The lane of ${partner} is open.` : `It was open before.`
        return { json: { partner, was_shut: done.wasShut }, text }
      }),
  })
}

async function compareAll(
  { context, masterKey }: Installation,
  names: readonly string[],
): Promise<readonly ShipmentRun[]> {
  const outbound = openOutbound()
  const deps = {
    context,
    outbound,
    secrets: partnerSecrets(context, masterKey),
    prover: sealProver(masterKey),
  }
  try {
    const runs: ShipmentRun[] = []
    for (const partner of names) {
      const wish = { partner, cause: 'person', actor: cliActor() } as const
      runs.push(orThrow(await reconcileShipments(deps, wish)))
    }
    return runs
  } finally {
    await outbound.close()
  }
}

function runsAnswer(runs: readonly ShipmentRun[]): Answer {
  const lines = runs.map((one) => {
    const { lost, phantom, shipment, content, recalled, refused } = one.counts
    const result = one.code === null ? one.result : `${one.result}: ${one.code}`
    return [
      one.partner,
      result,
      one.ours,
      one.theirs,
      one.matched,
      one.pending,
      lost,
      phantom,
      shipment,
      content,
      recalled,
      refused,
      one.adopted,
      one.released,
    ]
  })
  const head = table(
    [
      'PARTNER',
      'RESULT',
      'OURS',
      'THEIRS',
      'MATCHED',
      'PENDING',
      'LOST',
      'PHANTOM',
      'SHIPMENT',
      'CONTENT',
      'RECALLED',
      'REFUSED',
      'ADOPTED',
      'RELEASED',
    ],
    lines,
  )
  const differences = runs.flatMap((run) =>
    run.differences.map((one) => [
      run.partner,
      one.kind,
      one.sequence,
      one.subject,
      one.ours,
      one.theirs,
    ]),
  )
  const told =
    differences.length > 0
      ? `\n\n${table(['PARTNER', 'DIFFERENCE', 'SEQUENCE', 'SUBJECT', 'OURS', 'THEIRS'], differences.slice(0, 100))}`
      : ''
  return {
    json: { runs },
    text: head + told,
    isRefused: runs.some((one) => one.result !== 'green'),
  }
}
