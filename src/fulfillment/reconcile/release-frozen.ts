import { appendAudit, appendEvents, change, many, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { notifyWork } from '../fulfillment-statements.ts'

const refence = statement({
  name: 'fulfillment.refence_dispatches',
  params: { merchant: 'text', partner: 'text', known: 'text[]' },
  row: { id: 'text', state: 'text', was_epoch: 'int4' },
  text: `
    with frozen as materialized (
      select d.merchant_id, d.id, d.state, d.fence_epoch as was_epoch, d.key = any($known) as is_known,
             i.fence_epoch
        from fulfillment.dispatch d, platform.instance i
       where d.merchant_id = $merchant and d.partner_id = $partner and d.fence_epoch < i.fence_epoch
         and d.state in ('queued', 'sending', 'unknown', 'needs_operator', 'quarantined')
       order by d.id
         for update of d
    )
    update fulfillment.dispatch d
       set fence_epoch = f.fence_epoch,
           state = case when f.state = 'queued' and f.is_known then 'unknown' else d.state end,
           last_code = case when f.state = 'queued' and f.is_known then 'in_manifest' else d.last_code end,
           first_attempt_at = case when f.state = 'queued' and f.is_known
                                   then coalesce(d.first_attempt_at, now()) else d.first_attempt_at end,
           intent_at = case when f.state = 'queued' and f.is_known
                            then coalesce(d.intent_at, now()) else d.intent_at end,
           next_attempt_at = case when f.state = 'queued' then now() else d.next_attempt_at end
      from frozen f
     where d.merchant_id = f.merchant_id and d.id = f.id
    returning d.id, d.state, f.was_epoch`,
})

const clearLane = statement({
  name: 'fulfillment.clear_lane',
  params: { merchant: 'text', partner: 'text', epoch: 'int4' },
  row: { cleared_epoch: 'int4' },
  text: `
    insert into fulfillment.lane as l (merchant_id, partner_id, cleared_epoch)
    select $merchant, $partner, i.fence_epoch from platform.instance i where i.fence_epoch = $epoch
        on conflict (merchant_id, partner_id) do update set cleared_epoch = excluded.cleared_epoch
     where l.cleared_epoch < excluded.cleared_epoch
    returning cleared_epoch`,
})

/** What a lane that was opened again took with it into the new epoch. */
export type ReleasedLane = { readonly epoch: number; readonly dispatches: readonly string[] }

/**
 * Opens a partner's lane in the epoch of now: what was sealed before goes on under the same key and
 * the same bytes. What the partner has already (`known` keys) is looked up, not sent. Undefined
 * where the lane was open; audited where not.
 */
export async function releaseFrozen(
  tx: Transaction,
  merchant: string,
  release: {
    readonly partner: string
    /** The epoch for which the books were compared; a later one needs another comparison. */
    readonly epoch: number
    readonly known: readonly string[]
    readonly actor: string
    readonly reason: string
  },
): Promise<ReleasedLane | undefined> {
  const { partner, known, actor, reason } = release
  const [lane] = await many(tx, clearLane, { merchant, partner, epoch: release.epoch })
  if (!lane) return undefined
  const moved = await many(tx, refence, { merchant, partner, known })
  const epoch = lane.cleared_epoch
  await appendEvents(
    tx,
    merchant,
    moved.map((one) => ({
      subjectId: one.id,
      kind: 'dispatch.refenced',
      data: { partner_id: partner, from: one.was_epoch, to: epoch, state: one.state },
    })),
  )
  await appendAudit(tx, merchant, {
    actor,
    action: 'lane.clear',
    subjectId: partner,
    reason,
    after: { fence_epoch: epoch, dispatches: moved.length, first: moved.slice(0, 100) },
  })
  await many(tx, notifyWork, { topic: 'fulfillment' })
  return { epoch, dispatches: moved.map((one) => one.id) }
}

const skipSequences = statement({
  name: 'fulfillment.skip_sequences',
  params: { merchant: 'text', partner: 'text', upto: 'int8', sequences: 'int8[]', keys: 'text[]' },
  text: `
    insert into fulfillment.skipped_sequence (merchant_id, partner_id, sequence, key)
    select $merchant, $partner, s.sequence, k.key
      from generate_series(1, $upto) as s(sequence)
      left join (select unnest($sequences) as sequence, unnest($keys) as key) as k on k.sequence = s.sequence
     where not exists (select from fulfillment.dispatch d
                        where d.merchant_id = $merchant and d.partner_id = $partner
                          and d.sequence = s.sequence)
        on conflict do nothing`,
})

const raiseSequence = statement({
  name: 'fulfillment.raise_sequence',
  params: { merchant: 'text', partner: 'text', upto: 'int8' },
  text: `
    insert into fulfillment.lane as l (merchant_id, partner_id, next_sequence)
    values ($merchant, $partner, $upto + 1)
        on conflict (merchant_id, partner_id)
        do update set next_sequence = greatest(l.next_sequence, excluded.next_sequence)`,
})

/**
 * Goes on counting behind the highest number that the partner has seen. Numbers that a restore took
 * from us and that no dispatch of ours bears are written down as skipped, with the key where the
 * partner names one.
 */
export async function skipLostSequences(
  tx: Transaction,
  merchant: string,
  lost: {
    readonly partner: string
    readonly upto: number
    readonly phantoms: readonly { readonly sequence: number; readonly key: string }[]
  },
): Promise<void> {
  const { partner, upto, phantoms } = lost
  if (upto === 0) return
  await change(tx, raiseSequence, { merchant, partner, upto })
  await change(tx, skipSequences, {
    merchant,
    partner,
    upto,
    sequences: phantoms.map((one) => one.sequence),
    keys: phantoms.map((one) => one.key),
  })
}
