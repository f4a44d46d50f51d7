import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { secret } from './config.ts'
import type { PartnerConfig } from './config.ts'
import { faultScript } from './faults.ts'
import type { FaultScript } from './faults.ts'
import { openKeptFile } from './kept-file.ts'
import { json, problem } from './problem.ts'
import type { Answer } from './problem.ts'
import { partnerProfile } from './profile.ts'
import type { PartnerProfile } from './profile.ts'

const live = z.array(secret).min(1).max(2)
const partnerSecrets = z.strictObject({ dispatch: live, event: live })

/** The live secrets of a partner, newest first: two of a direction while a rotation overlaps. */
export type LiveSecrets = z.output<typeof partnerSecrets>

/** What can be changed about a running partner. All of it outlives the process. */
export type PartnerSettings = {
  readonly profile: () => PartnerProfile
  readonly secrets: () => LiveSecrets
  readonly faults: FaultScript
  /** `PUT /profile`: replaces it whole. */
  readonly putProfile: (value: unknown) => Promise<Answer>
  /** `PUT /secrets`: one or two of each direction, newest first; answers with counts alone. */
  readonly putSecrets: (value: unknown) => Promise<Answer>
  /** `PUT /faults`: resolves when the script is on the disk. */
  readonly putFaults: (value: unknown) => Promise<Answer>
  /** Waits for what is being written. */
  readonly close: () => Promise<void>
}

/** Opens the settings below `folder`; the configuration says what they begin with. */
export async function openSettings(
  folder: string,
  partner: PartnerConfig,
): Promise<PartnerSettings> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const begun = {
    dispatch: [partner.dispatchSecret].flat(),
    event: [partner.eventSecret].flat(),
  }
  const kept = {
    profile: await openKeptFile(join(folder, 'profile.json'), partner.profile),
    secrets: await openKeptFile(join(folder, 'secrets.json'), begun),
    faults: await openKeptFile(join(folder, 'faults.json'), null),
  }
  const before = partnerProfile.safeParse(kept.profile.first)
  let profile: PartnerProfile = before.success ? before.data : partner.profile
  let secrets = partnerSecrets.safeParse(kept.secrets.first).data ?? begun
  const faults = faultScript(kept.faults.first, (value) => void kept.faults.keep(value))
  return {
    profile: () => profile,
    secrets: () => secrets,
    faults,
    async putProfile(value) {
      const read = partnerProfile.safeParse(value)
      if (!read.success) return invalid(read.error)
      profile = read.data
      await kept.profile.keep(profile)
      return json(200, profile)
    },
    async putSecrets(value) {
      const read = partnerSecrets.safeParse(value)
      if (!read.success) return invalid(read.error)
      secrets = read.data
      await kept.secrets.keep(secrets)
      return json(200, { dispatch: secrets.dispatch.length, event: secrets.event.length })
    },
    async putFaults(value) {
      const answer = faults.replace(value)
      await kept.faults.idle()
      return answer
    },
    close: async () => {
      await Promise.all(Object.values(kept).map((one) => one.idle()))
    },
  }
}

function invalid(error: z.ZodError): Answer {
  const fields = error.issues.map((issue) => issue.path.join('.') || 'body')
  return problem('settings_invalid', fields.join(', '))
}
