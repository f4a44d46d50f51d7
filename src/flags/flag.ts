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

/** Flags as a role reads them: from a snapshot that is at most a second old. */
export type FlagReader = {
  readonly isOn: (key: FlagKey) => boolean
  /** The version of the flag set that answers come from; 0 before the first change. */
  readonly version: () => number
}
