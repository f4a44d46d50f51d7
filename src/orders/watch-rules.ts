import { many, maybe, statement, withTransaction } from '#platform/index.ts'
import type { Context, Database, Transaction } from '#platform/index.ts'
import { openCases, resolveCasesAbout } from '#cases/index.ts'
import type { NewCase } from '#cases/index.ts'
import { readFlags } from '#flags/index.ts'
import { selectRules } from './rule-set.ts'
import { readRules } from './stored-rules.ts'
import type { UnreadRow } from './stored-rules.ts'

const ACTOR = 'service:orders'
const KIND = 'rules_unread'

// At most one write a minute and subject, whoever looks and however often.
const raise = statement({
  name: 'orders.raise_unread_rules',
  params: { merchant: 'text', subjects: 'text[]' },
  row: { subject: 'text', is_raised: 'bool' },
  text: `
    insert into orders.rules_alarm as told (merchant_id, subject)
    select $merchant, s.subject from (select unnest($subjects) as subject) as s
     order by s.subject
        on conflict (merchant_id, subject) do update
       set seen_at = now(),
           raised_at = case when told.raised_at < now() - interval '1 day' then now()
                            else told.raised_at end
     where told.seen_at < now() - interval '1 minute'
    returning told.subject, told.raised_at = now() as is_raised`,
})

const settle = statement({
  name: 'orders.settle_unread_rules',
  params: { merchant: 'text', unread: 'text[]' },
  row: { subject: 'text' },
  text: `
    delete from orders.rules_alarm
     where merchant_id = $merchant and seen_at < now() - interval '5 minutes'
       and subject <> all($unread)
    returning subject`,
})

/**
 * What of the stored rules, promise policy and flags this build cannot read. While there is any, rules clear
 * no order.
 */
export async function unreadRules(
  database: Database,
  merchant: string,
): Promise<readonly UnreadRow[]> {
  return withTransaction(database, (tx) => findUnread(tx, merchant))
}

async function findUnread(tx: Transaction, merchant: string): Promise<readonly UnreadRow[]> {
  const [stored, flags] = await Promise.all([
    maybe(tx, selectRules, { merchant }),
    readFlags(tx, merchant),
  ])
  const unknown = flags.unknown.map((key) => ({
    subject: `flag:${key}`,
    detail: 'this build does not know that flag',
  }))
  return [...(stored ? readRules(stored).unread : []), ...unknown]
}

/**
 * One look at what is stored: each row that cannot be read becomes one case and an error in the log, however
 * many orders it holds and however many processes look; told again after a day. The case closes by itself when
 * no process has met the row for five minutes. Returns whether anything changed.
 */
export async function watchRules({ database, merchant, log }: Context): Promise<boolean> {
  const { told, over } = await withTransaction(database, async (tx) => {
    const unread = await findUnread(tx, merchant)
    const subjects = unread.map((one) => one.subject)
    const rows = subjects.length > 0 ? await many(tx, raise, { merchant, subjects }) : []
    const raised = new Set(rows.filter((row) => row.is_raised).map((row) => row.subject))
    const fresh = unread.filter((one) => raised.has(one.subject))
    await openCases(tx, merchant, ACTOR, fresh.map(toCase))
    const settled = await many(tx, settle, { merchant, unread: subjects })
    const closed = settled.map((row) => row.subject)
    const outcome = 'No process meets it any more: the rules are read again.'
    await resolveCasesAbout(tx, merchant, { kind: KIND, subjects: closed, actor: ACTOR, outcome })
    return { told: fresh, over: closed }
  })
  for (const { subject, detail } of told)
    log.error({ code: KIND, subject, detail }, 'stored rules cannot be read: every order is held')
  return told.length + over.length > 0
}

function toCase({ subject, detail }: UnreadRow): NewCase {
  return {
    kind: KIND,
    subjectId: subject,
    title: `${subject} cannot be read by a process that takes orders, so it holds every order: ${detail}`,
    evidence: { subject, detail },
    dueHours: 1,
  }
}

/** A process that meets unread rules looks into it by itself this often, in milliseconds. */
const LOOK_MS = 60_000

/**
 * Called for each batch that met unread rules or flags. Starts at most one look a minute: an intake process of an
 * older build tells of them, though every worker may be newer and read them.
 */
export function unreadReporter(context: Context): () => void {
  let lookedAtMs = Number.NEGATIVE_INFINITY
  return () => {
    const nowMs = context.clock.monotonicMs()
    if (nowMs - lookedAtMs < LOOK_MS) return
    lookedAtMs = nowMs
    context.log.error({ code: KIND }, 'orders are held: stored rules or flags cannot be read here')
    watchRules(context).catch((fault: unknown) => {
      context.log.warn({ err: fault }, 'the look at the stored rules failed; trying again')
    })
  }
}
