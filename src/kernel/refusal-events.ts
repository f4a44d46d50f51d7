/** The part of the catalogue that is about events, of partners and our own; see `refusal.ts`. */
export const EVENT_REFUSALS = {
  streams_full: {
    http: 429,
    grpc: 'resource_exhausted',
    means: 'this key or person has as many event streams open as it may; close one first',
  },
  // Inbound partner events
  signature_invalid: {
    http: 401,
    grpc: 'unauthenticated',
    means: 'the webhook signature, id or timestamp does not verify',
  },
  event_conflict: {
    http: 409,
    grpc: 'already_exists',
    means: 'the webhook id was used with another body',
  },
  // Events out
  cursor_stale: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'the database was restored since the cursor was given',
  },
  feed_unordered: {
    http: 503,
    grpc: 'failed_precondition',
    means: 'the event log came from another database and bears its numbers',
  },
  subscription_unknown: { http: 404, grpc: 'not_found', means: 'no such webhook subscription' },
  subscriptions_full: {
    http: 409,
    grpc: 'resource_exhausted',
    means: 'there are as many webhook subscriptions as there may be',
  },
  delivery_unknown: { http: 404, grpc: 'not_found', means: 'no such delivery, or it is too old' },
} as const satisfies Record<string, { http: number; grpc: string; means: string }>
