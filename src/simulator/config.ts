import { readFile, stat } from 'node:fs/promises'
import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { GRADE_A, partnerProfile } from './profile.ts'

/** A signing secret of Standard Webhooks. */
export const secret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/, 'must be whsec_ and at least 24 bytes in base64')

const partner = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be 1 to 32 of a-z, 0-9 and -'),
  name: z.string().min(1).max(64),
  /** 0 picks a free port the first time and keeps it ever after. */
  port: z.int().min(0).max(65_535).default(0),
  /** One secret, or two while a rotation overlaps, newest first. */
  dispatchSecret: z.union([secret, z.array(secret).min(1).max(2)]),
  eventSecret: z.union([secret, z.array(secret).min(1).max(2)]),
  /** What the partner can do: a grade, and what differs from it. A where absent. */
  profile: partnerProfile.default(GRADE_A),
})

const simulatorConfig = z.strictObject({
  dataDir: z.string().min(1),
  callbackUrl: z.url({ protocol: /^https?$/ }),
  shipDelayMs: z.int().min(0).max(86_400_000).default(0),
  retry: z
    .strictObject({
      minMs: z.int().min(1).default(100),
      maxMs: z.int().min(1).default(2_000),
      slowMs: z.int().min(1).default(15_000),
    })
    .default({ minMs: 100, maxMs: 2_000, slowMs: 15_000 }),
  partners: z
    .array(partner)
    .min(1)
    .max(16)
    .refine(
      (all) => new Set(all.map((one) => one.id)).size === all.length,
      'must have one id a partner',
    ),
})

/** What the parent writes; times in milliseconds, secrets in `whsec_` form (Standard Webhooks). */
export type SimulatorConfig = z.input<typeof simulatorConfig>
/** The configuration after defaults. */
export type CheckedConfig = z.output<typeof simulatorConfig>
/** One partner of it. */
export type PartnerConfig = CheckedConfig['partners'][number]

/** Checks a configuration whole; a refusal names every problem at once and repeats no secret. */
export function checkConfig(config: unknown): Outcome<CheckedConfig> {
  const parsed = simulatorConfig.safeParse(config)
  if (parsed.success) return accept(parsed.data)
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'config'}: ${issue.message}`,
  )
  return refuse('config_invalid', problems.join('; '), { meta: { problems } })
}

/** Reads the configuration file; it holds secrets, so a mode beyond 0600 is refused. */
export async function readConfig(path: string): Promise<Outcome<CheckedConfig>> {
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) !== 0)
      return refuse('config_invalid', `${path} holds secrets and must have mode 0600`)
    return checkConfig(JSON.parse(await readFile(path, 'utf8')))
  } catch (fault) {
    const reason = fault instanceof SyntaxError ? 'is not JSON' : String(fault)
    return refuse('config_invalid', `${path} ${reason}`)
  }
}
