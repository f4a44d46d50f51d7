/** Refusals of events out: the feed and webhook subscriptions. */
export const SUBSCRIPTION_REFUSALS = {
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
} as const
