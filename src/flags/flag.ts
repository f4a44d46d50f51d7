/** Every flag, its safe side and what switching it off means; `docs/reference/flags.md` is held to it. */
export const FLAGS = {
  order_hold_for_review_enabled: {
    initial: true,
    safe: true,
    means: 'rule holds hold; off needs two people and an expiry, which is not built yet: refused',
  },
  order_auto_approval_enabled: {
    initial: true,
    safe: false,
    means: 'rules may clear an order; off holds every order that no person cleared',
  },
  batch_retry_enabled: {
    initial: true,
    safe: true,
    means: 'definite failures are sent again; off makes them wait for an operator',
  },
  fulfillment_webhook_async: {
    initial: true,
    safe: true,
    means:
      'dispatch runs behind the approving call; off makes that call wait, bounded, for the first attempt',
  },
  idempotency_key_format_v2: {
    initial: false,
    safe: false,
    means: 'timestamp keys: refused outside the lab',
  },
} as const satisfies Record<string, { initial: boolean; safe: boolean; means: string }>

/** The key of a flag. */
export type FlagKey = keyof typeof FLAGS

/**
 * Keys of flags that earlier builds had. Their changes stay in the history and mean nothing any more; any other
 * key that this build does not know was written by a newer build.
 */
export const RETIRED_FLAGS: readonly string[] = []

/**
 * What a flag says to whoever decides an order by it: its value, or why this process does not know. `stale`: the
 * flags could not be read for 10 s. `unknown_flag`: the set holds a flag that this build does not know.
 */
export type FlagAnswer = 'on' | 'off' | 'stale' | 'unknown_flag'

/** Flags as a role reads them: from a snapshot that is at most a second old. */
export type FlagReader = {
  /** The value of a flag; its safe side while the flags cannot be read. */
  readonly isOn: (key: FlagKey) => boolean
  /** As `isOn`, and says when the value is not known. */
  readonly ask: (key: FlagKey) => FlagAnswer
  /**
   * Reads the flags if the snapshot is older than 10 s, for example after the process stood still. Returns
   * after 2 s at most, and at once within a second of an attempt that failed: `ask` says what came of it.
   */
  readonly freshen: () => Promise<void>
  /** The version of the flag set that answers come from; 0 before the first change. */
  readonly version: () => number
}
