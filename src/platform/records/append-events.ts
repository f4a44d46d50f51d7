import { newId } from '#kernel/index.ts'
import { change } from '../database/database.ts'
import type { Transaction } from '../database/database.ts'
import { statement } from '../database/statement.ts'

/** One fact for the event log: past tense kind (`order.placed`), the thing it is about, small data. */
export type NewEvent = {
  readonly subjectId: string
  readonly kind: string
  readonly data?: Readonly<Record<string, unknown>>
}

const insertEvents = statement({
  name: 'platform.insert_events',
  params: { merchant: 'text', ids: 'text[]', subjects: 'text[]', kinds: 'text[]', data: 'text[]' },
  text: `
    insert into platform.event (merchant_id, id, subject_id, kind, data)
    select $merchant, e.id, e.subject_id, e.kind, e.data::jsonb
      from (select unnest($ids) as id, unnest($subjects) as subject_id, unnest($kinds) as kind,
                   unnest($data) as data) as e`,
})

/** Appends events in the transaction of the state they tell of. */
export async function appendEvents(
  tx: Transaction,
  merchant: string,
  events: readonly NewEvent[],
): Promise<void> {
  if (events.length === 0) return
  await change(tx, insertEvents, {
    merchant,
    ids: events.map(() => newId('evt')),
    subjects: events.map((event) => event.subjectId),
    kinds: events.map((event) => event.kind),
    data: events.map((event) => JSON.stringify(event.data ?? {})),
  })
}
