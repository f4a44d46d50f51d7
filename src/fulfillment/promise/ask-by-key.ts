import { z } from 'zod'
import type { Partner } from '#partners/index.ts'
import { parseStrictJson } from '#platform/webhooks/index.ts'
import { classifyLookup } from '../dispatch/classify-response.ts'
import { canBeAsked } from '../dispatch/partner-terms.ts'
import { ask } from '../dispatch/resolve-unknown.ts'
import type { LaneDeps } from '../dispatch/worker-deps.ts'

/** A dispatch of which its partner is asked. */
export type Asked = {
  readonly partner_id: string
  readonly key: string
  readonly content_sha256: Buffer
  readonly fulfillments: readonly string[]
  readonly now: Date
}

/** What the partner said of it: evidence for a person, and nothing is decided by it. */
export type Answer = {
  readonly answer: string
  /** The state that the partner names, where it names one. */
  readonly state: string | null
}

const told = z.object({ state: z.string().regex(/^[a-z_]{1,32}$/) })

/** Asks a partner by key what became of a dispatch; a partner that cannot be asked is `not_asked`. */
export async function askByKey(
  deps: LaneDeps,
  partner: Partner | undefined,
  one: Asked,
): Promise<Answer> {
  if (!partner || !canBeAsked(partner)) return { answer: 'not_asked', state: null }
  const nowMs = one.now.getTime()
  const result = await ask(deps, partner, one.key, nowMs)
  const seen = classifyLookup(
    result,
    {
      key: one.key,
      contentSha256: one.content_sha256.toString('hex'),
      fulfillmentIds: one.fulfillments,
    },
    nowMs,
  )
  const json = result.kind === 'reply' ? parseStrictJson(result.body) : undefined
  const read = json?.ok === true ? told.safeParse(json.value) : undefined
  const state = read?.success === true ? read.data.state : null
  return { answer: seen.kind === 'no_answer' ? seen.code : seen.kind, state }
}
