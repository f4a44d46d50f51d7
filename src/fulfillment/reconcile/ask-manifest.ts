import { z } from 'zod'
import { accept, newId, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { Partner, PartnerSecrets } from '#partners/index.ts'
import { read, statement } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import type { Outbound, OutboundResult } from '#platform/outbound/index.ts'
import { parseStrictJson, signWebhook } from '#platform/webhooks/index.ts'
import { sequenceSeen } from '../dispatch/classify-response.ts'
import { DISPATCH_PATH } from '../dispatch/dispatch-request.ts'

/** What asking a partner needs. */
export type AskDeps = {
  readonly context: Context
  readonly outbound: Outbound
  readonly secrets: PartnerSecrets
}

const manifestEntry = z.object({
  key: z.string().regex(/^hfd1-[a-z2-7]{32}$/),
  state: z.string().max(64),
  content_sha256: z.string().regex(/^[0-9a-f]{64}$/),
  batch: z.string().min(1).max(64),
  revision: z.int().min(1),
  sequence: z.int().min(1),
  accepted_at: z.string().max(64),
})
const manifestPage = z.object({
  dispatches: z.array(manifestEntry).max(2_000),
  next_after_sequence: z.int().nullable(),
})

/** One acceptance as a partner's manifest lists it (HDP/1 §2). */
export type ManifestEntry = z.output<typeof manifestEntry>
/** A page of it; `next` is the cursor of the next page, or null. */
export type ManifestPage = {
  readonly entries: readonly ManifestEntry[]
  readonly next: number | null
}

const contents = z.object({
  key: z.string(),
  content_sha256: z.string(),
  accepted: z.array(z.string().max(64)).max(1_000),
  rejected: z.array(z.object({ id: z.string().max(64), code: z.string().max(64) })).max(1_000),
})
/** What a partner says that a key holds. */
export type KeyContents = z.output<typeof contents>

// An entry has some 280 bytes, and an answer is read up to 64 KiB.
const PAGE_ENTRIES = 100

const selectNow = statement({
  name: 'fulfillment.select_now',
  params: {},
  row: { now: 'timestamptz' },
  text: `select now() as now`,
})

/**
 * One page of a partner's manifest. Refused: `manifest_unsupported` where it has none,
 * `manifest_unavailable` where it does not answer or answers something else.
 */
export async function askManifest(
  deps: AskDeps,
  partner: Partner,
  after: number,
): Promise<Outcome<ManifestPage>> {
  return (await askManifestPage(deps, partner, after)).page
}

/** A page as `askManifest` gives it, with the newest sequence that the partner says it had seen. */
export async function askManifestPage(
  deps: AskDeps,
  partner: Partner,
  after: number,
): Promise<{ readonly page: Outcome<ManifestPage>; readonly seen: number | undefined }> {
  const query = `?after_sequence=${after}&limit=${PAGE_ENTRIES}`
  const asked = await ask(deps, partner, query)
  if (!asked.ok) return { page: asked, seen: undefined }
  return { page: readPage(partner, after, asked.value), seen: sequenceSeen(asked.value) }
}

function readPage(
  partner: Partner,
  after: number,
  { status, body }: Extract<OutboundResult, { kind: 'reply' }>,
): Outcome<ManifestPage> {
  if (status === 404 || status === 405 || status === 501) {
    return refuse('manifest_unsupported', `${partner.id} has no manifest (HTTP ${status}).`)
  }
  const json = status === 200 ? parseStrictJson(body) : undefined
  const page = json?.ok ? manifestPage.safeParse(json.value) : undefined
  if (page?.success !== true) return unavailable(partner, `HTTP ${status}, not a manifest`)
  const { dispatches: entries, next_after_sequence: next } = page.data
  const isAscending = entries.every(
    (one, index) => one.sequence > after && one.sequence >= (entries[index - 1]?.sequence ?? 0),
  )
  // A cursor that does not go on would be read for ever.
  const isGoing = next === null || next === entries.at(-1)?.sequence
  if (!isAscending || !isGoing) return unavailable(partner, 'its pages are not in order')
  return accept({ entries, next })
}

/** What a partner holds under a key; undefined where it was recalled. Refused: `manifest_unavailable`. */
export async function askContents(
  deps: AskDeps,
  partner: Partner,
  key: string,
): Promise<Outcome<KeyContents | undefined>> {
  const asked = await ask(deps, partner, `/${key}`)
  if (!asked.ok) return asked
  const { status, body } = asked.value
  if (status === 410) return accept(undefined)
  const json = status === 200 ? parseStrictJson(body) : undefined
  const told = json?.ok ? contents.safeParse(json.value) : undefined
  if (told?.success === true && told.data.key === key) return accept(told.data)
  return unavailable(partner, `HTTP ${status} for a key of its own manifest`)
}

async function ask(
  { context, outbound, secrets }: AskDeps,
  partner: Partner,
  where: string,
): Promise<Outcome<Extract<OutboundResult, { kind: 'reply' }>>> {
  const secret = await secrets.live(partner.id, 'dispatch')
  if (secret.length === 0) return unavailable(partner, 'its secret is missing')
  const [time] = await read(context.database, selectNow, {})
  const timestampS = Math.floor((time?.now.getTime() ?? 0) / 1_000)
  const result = await outbound.send({
    method: 'GET',
    url: `${partner.url}${DISPATCH_PATH}${where}`,
    allowPrivate: partner.allowPrivate,
    headers: {
      accept: 'application/json',
      ...signWebhook({ secret, id: newId('evt'), timestampS, body: new Uint8Array() }),
      'holdfast-protocol': '1',
      'user-agent': 'holdfast/1',
    },
  })
  if (result.kind !== 'reply') return unavailable(partner, result.code)
  return result.isTruncated ? unavailable(partner, 'the answer is too long') : accept(result)
}

const unavailable = (partner: Partner, why: string) =>
  refuse('manifest_unavailable', `The manifest of ${partner.id} cannot be read: ${why}.`)
