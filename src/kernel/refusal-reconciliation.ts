/** The part of the catalogue that is about cases, returns, counts and bills; see `refusal.ts`. */
export const RECONCILIATION_REFUSALS = {
  // Reconciliation
  manifest_unavailable: {
    http: 502,
    grpc: 'unavailable',
    means: 'a partner does not show its manifest, or shows something else',
  },
  manifest_unsupported: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'the partner has no manifest to compare with',
  },
  return_conflict: {
    http: 409,
    grpc: 'already_exists',
    means: 'that return id was used with other content',
  },
  return_unmatched: {
    http: 409,
    grpc: 'failed_precondition',
    means:
      'a line returns what was not shipped, or has come back already; `meta.reason` says which',
  },
  count_unknown: { http: 404, grpc: 'not_found', means: 'no such count' },
  count_conflict: {
    http: 409,
    grpc: 'already_exists',
    means: 'that count id was used with other content',
  },
  invoice_conflict: {
    http: 409,
    grpc: 'already_exists',
    means: 'a line of that invoice was recorded with other content',
  },
  // Cases
  case_unknown: { http: 404, grpc: 'not_found', means: 'no such case' },
  case_closed: { http: 409, grpc: 'failed_precondition', means: 'the case is resolved' },
} as const satisfies Record<string, { http: number; grpc: string; means: string }>
