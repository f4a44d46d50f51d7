import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow, RefusedError, refuse, systemClock } from '#kernel/index.ts'
import { measurePartner, probePartner } from '#fulfillment/index.ts'
import type { Check, Measurement, ProbeReport } from '#fulfillment/index.ts'
import { checkPartnerUrl, partnerSecrets } from '#partners/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import type { Outbound } from '#platform/outbound/index.ts'
import { isWebhookSecret } from '#platform/webhooks/index.ts'
import { addCommand } from './command.ts'
import type { Answer } from './command.ts'
import { table } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const grade = z.enum(['A', 'B', 'C', 'D'])

/** `partners probe`: of a registered partner, or of any endpoint and without an installation. */
export function addProbeCommand(group: Command): void {
  addCommand(group, {
    usage: 'probe [id]',
    summary:
      'measure what an endpoint can do with no-op dispatches, and so its grade; nothing ships by it',
    example: 'holdfast partners probe shipco',
    options: [
      ['--url <url>', 'probe this endpoint instead; needs no installation and stores nothing'],
      ['--secret-file <file>', 'the file with the secret (whsec_…) of that endpoint'],
      ['--allow-private', 'its address may be private or loopback'],
      ['--expect <grade>', 'the grade to reach, or exit with 1; A where absent'],
    ],
    input: z
      .object({
        id: z.string().optional(),
        url: z.string().optional(),
        secretFile: z.string().optional(),
        allowPrivate: z.boolean().default(false),
        expect: grade.default('A'),
      })
      .refine((one) => (one.id === undefined) !== (one.url === undefined), {
        path: ['id'],
        message: 'name a partner, or give --url',
      })
      .refine((one) => (one.url === undefined) === (one.secretFile === undefined), {
        path: ['secretFile'],
        message: 'goes with --url',
      }),
    run: async ({ id = '', url, secretFile = '', allowPrivate, expect }) => {
      const outbound = openOutbound()
      try {
        const report =
          url === undefined
            ? await probeRegistered(outbound, id)
            : await probeEndpoint(outbound, { url, secretFile, allowPrivate })
        return answerOf(report, expect)
      } finally {
        await outbound.close()
      }
    },
  })
}

function probeRegistered(outbound: Outbound, partner: string): Promise<ProbeReport> {
  return withInstallation(async ({ context, masterKey }) => {
    const secrets = partnerSecrets(context, masterKey)
    const asked = { partner, cause: 'operator', actor: cliActor() } as const
    return orThrow(await probePartner({ context, secrets, outbound }, asked))
  })
}

async function probeEndpoint(
  outbound: Outbound,
  given: { readonly url: string; readonly secretFile: string; readonly allowPrivate: boolean },
): Promise<Measurement> {
  const { allowPrivate } = given
  const url = orThrow(checkPartnerUrl(given.url, allowPrivate))
  const secret = await readFile(given.secretFile, 'utf8').then(
    (text) => text.trim(),
    () => '',
  )
  if (!isWebhookSecret(secret)) {
    const detail = 'The file holds no secret: whsec_ and base64 of 24 to 64 bytes.'
    throw new RefusedError(refuse('usage_invalid', detail, { field: '--secret-file' }).refusal)
  }
  return measurePartner(
    { outbound, clock: systemClock },
    {
      identity: { merchant: 'probe', partner: 'probe' },
      target: { partner: { url, allowPrivate }, secrets: [secret] },
      kept: [],
    },
  )
}

const WORDS = { passed: 'ok', failed: 'FAIL', no_answer: '?', skipped: '-' } as const

function answerOf(report: Measurement & Partial<ProbeReport>, expected: string): Answer {
  const { checks, isComplete, before, after } = report
  const reached = after ?? report.grade
  const rows = checks.map((one: Check) => [
    WORDS[one.outcome],
    one.name,
    one.found,
    one.outcome === 'failed' ? `expected: ${one.expected}` : '',
  ])
  const moved = before !== undefined && before !== after ? ` (was ${before})` : ''
  const lines = [
    table(['', 'CHECK', 'FOUND', ''], rows),
    '',
    `Measured grade: ${report.grade}${isComplete ? '' : ', incomplete: some checks had no answer'}`,
    ...(after === undefined ? [] : [`Grade of ${report.partner}: ${after}${moved}`]),
  ]
  return {
    json: {
      partner: report.partner ?? null,
      grade: report.grade,
      grade_before: before ?? null,
      grade_after: after ?? null,
      is_complete: isComplete,
      key_ttl_s: report.keyTtlS,
      processing_delay_s: report.processingDelayS,
      lookup_lag_ms: report.lookupLagMs,
      checks,
    },
    text: lines.join('\n'),
    // Grades sort as letters: A is the best.
    isRefused: !isComplete || reached > expected,
  }
}
