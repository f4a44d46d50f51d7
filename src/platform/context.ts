import type { Clock } from '#kernel/index.ts'
import type { Database } from './database/database.ts'

/** Structured log: fields first, then a plain sentence; an order's id goes under `order_id`. */
export type Log = {
  readonly debug: (fields: object, message: string) => void
  readonly info: (fields: object, message: string) => void
  readonly warn: (fields: object, message: string) => void
  readonly error: (fields: object, message: string) => void
}

/** The row that stands for this build, schema, node and flag set now, and the version of the set. */
export type ProvenanceNow = { readonly id: string; readonly flagSetVersion: number }

/** What every shell verb is given once, at the composition root. */
export type Context = {
  readonly merchant: string
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  /**
   * The version is read in the turn of the call. The row is written on first use, over a connection of its
   * own: to be asked for before a transaction begins, since whoever waits for a second connection with one
   * in hand may wait for itself.
   */
  readonly provenance: () => Promise<ProvenanceNow>
}
