import { openCases } from '#cases/index.ts'
import type { Partner } from '#partners/index.ts'
import { change, many, read, withTransaction } from '#platform/index.ts'
import type { RowOf } from '#platform/index.ts'
import type { AskDeps } from '../reconcile/ask-manifest.ts'
import { askPartner } from './ask-partner.ts'
import {
  saveHandshake,
  selectBooks,
  selectHandshake,
  shutLane,
  unshutLane,
} from './handshake-statements.ts'
import { judgeHandshake } from './judge-handshake.ts'
import type { HandshakeVerdict } from './judge-handshake.ts'
import type { LaneSession } from './lane-session.ts'
import { raiseFenceOn } from './raise-fence.ts'

const ACTOR = 'handshake'

/** What a handshake needs. */
export type HandshakeDeps = AskDeps & { readonly session: LaneSession }

/** How the handshake with one partner ended for this session. */
export type Handshake = {
  readonly partner: string
  readonly isOpen: boolean
  readonly reason: string | null
}

type Asked = {
  readonly partner: Partner
  readonly session: string
  readonly begin: RowOf<typeof selectHandshake.row>
  readonly verdict: HandshakeVerdict | { readonly kind: 'fenced' }
}

/**
 * Asks the given partners at once, each for at most two seconds, and opens the lanes of those whose answer proves
 * nothing against our books. What one of them proves is acted upon before any lane is opened: evidence that this
 * database is older shuts all lanes.
 */
export async function shakeHands(
  deps: HandshakeDeps,
  partners: readonly Partner[],
): Promise<readonly Handshake[]> {
  const asked = await Promise.all(partners.map((partner) => askOne(deps, partner)))
  for (const one of asked) await actUpon(deps, one)
  const done: Handshake[] = []
  for (const one of asked) done.push(await conclude(deps, one))
  return done
}

async function askOne(deps: HandshakeDeps, partner: Partner): Promise<Asked> {
  const { merchant, database } = deps.context
  const { session } = deps.session.gate()
  const owner = { merchant, partner: partner.id }
  const [begin] = await read(database, selectHandshake, owner)
  if (!begin) throw new Error('the installation has no instance row')
  if (!begin.is_clear) return { partner, session, begin, verdict: { kind: 'fenced' } }
  const after = (begin.first_unclaimed ?? begin.next_sequence) - 1
  const answer = await askPartner(deps, partner, after)
  const keys = answer.kind === 'lists' ? answer.entries.map((one) => one.key) : []
  const [books] = await read(database, selectBooks, { ...owner, keys })
  const verdict = judgeHandshake(owner, answer, {
    nextSequence: books?.next_sequence ?? 1,
    pastUpto: books?.past_upto ?? 0,
    hasDispatches: books?.has_dispatches ?? false,
    unknownKeys: new Set(books?.unknown),
  })
  return { partner, session, begin, verdict }
}

async function actUpon({ context }: HandshakeDeps, one: Asked): Promise<void> {
  const { partner, begin, verdict } = one
  if (verdict.kind === 'older') {
    const [first] = verdict.entries
    await raiseFenceOn(context, {
      epoch: begin.fence_epoch,
      actor: ACTOR,
      partner: partner.id,
      reason: `${partner.id} holds dispatches that this database has lost: it is a copy of an earlier time.`,
      facts: {
        partner: partner.id,
        entries: verdict.entries.length,
        next_sequence: begin.next_sequence,
        first_key: first?.key ?? '',
        first_sequence: first?.sequence ?? 0,
        last_sequence: verdict.entries.at(-1)?.sequence ?? 0,
      },
    })
  }
  if (verdict.kind === 'ahead' || verdict.kind === 'foreign_past') {
    const upto = verdict.kind === 'ahead' ? verdict.seen : verdict.upto
    await shutForAll(context, partner.id, { reason: verdict.kind, upto })
  }
}

/** Shuts one lane for every process, with a case, and says so once. */
export async function shutForAll(
  { merchant, database, log }: HandshakeDeps['context'],
  partner: string,
  found: { readonly reason: 'ahead' | 'foreign_past'; readonly upto: number },
): Promise<void> {
  const { reason, upto } = found
  const why =
    reason === 'ahead'
      ? `${partner} has seen number ${upto}, which this database never gave.`
      : `${partner} has a past up to number ${upto}, and this database never opened its lane: say whose dispatches these are.`
  const isNew = await withTransaction(database, async (tx) => {
    if ((await many(tx, shutLane, { merchant, partner, reason })).length === 0) return false
    await openCases(tx, merchant, ACTOR, [
      {
        kind: 'database_restored',
        subjectId: `${reason}:${partner}`,
        partnerId: partner,
        title: `${why} Its lane is shut.`,
        evidence: { reason, upto },
        dueHours: 1,
      },
    ])
    return true
  })
  if (isNew) log.error({ partner_id: partner, reason, upto }, `page: ${why} Its lane is shut.`)
}

async function conclude({ context, session }: HandshakeDeps, one: Asked): Promise<Handshake> {
  const { merchant, database, log } = context
  const { partner, begin, verdict } = one
  const isOpen =
    (verdict.kind === 'open' || verdict.kind === 'unsaid') && session.gate().session === one.session
  const reason = isOpen ? null : verdict.kind === 'open' ? 'asked_again' : verdict.kind
  await withTransaction(database, async (tx) => {
    const lane = { merchant, partner: partner.id, asked: begin.now }
    if (isOpen) await change(tx, unshutLane, lane)
    await change(tx, saveHandshake, {
      ...lane,
      session: one.session,
      epoch: begin.fence_epoch,
      open: isOpen,
      reason,
      detail: verdict.kind === 'no_answer' ? verdict.code.slice(0, 200) : null,
    })
  })
  const fields = { partner_id: partner.id, session: one.session }
  if (isOpen) log.info(fields, 'the lane of a partner is open')
  else log.warn({ ...fields, reason }, 'the lane of a partner is shut')
  return { partner: partner.id, isOpen, reason }
}
