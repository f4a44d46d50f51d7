import { z } from 'zod'

/** Query of every list: an opaque cursor from the page before, and how many items. */
export const cursorQuery = z.strictObject({
  cursor: z.string().min(1).max(200).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})

/** One page of a list; `next_cursor` is null on the last. */
export type Page<T> = { readonly items: readonly T[]; readonly next_cursor: string | null }

/** A page out of at most `limit + 1` rows: the extra row only tells that there is another page. */
export function toPage<R, T>(
  rows: readonly R[],
  limit: number,
  cursorOf: (row: R) => string,
  show: (row: R) => T,
): Page<T> {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const hasMore = rows.length > limit && last !== undefined
  return { items: shown.map(show), next_cursor: hasMore ? cursorOf(last) : null }
}
