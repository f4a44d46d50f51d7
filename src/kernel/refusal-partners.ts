/** The part of the catalogue that is about partners, their secrets and their parcels; see `refusal.ts`. */
export const PARTNER_REFUSALS = {
  // Secrets of partners and of webhook subscriptions
  secret_unknown: { http: 404, grpc: 'not_found', means: 'no live secret has that number' },
  secret_overlap: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'two secrets are live: retire one of them before a third is made',
  },
  secret_in_use: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'something was signed with the secret within the last hour',
  },
  secret_last: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'no other secret is live: make a new one first',
  },
  // Parcels
  fulfillment_state: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'the fulfillment order is not in a state that allows this',
  },
  // Lost parcels shipped again
  reship_unknown: { http: 404, grpc: 'not_found', means: 'no such reship' },
  reship_open: {
    http: 409,
    grpc: 'already_exists',
    means: 'that generation of the fulfillment order is asked for already',
  },
  reship_state: { http: 409, grpc: 'failed_precondition', means: 'the reship is decided' },
  reship_same_person: {
    http: 403,
    grpc: 'permission_denied',
    means: 'a reship is approved by another person than the one who asked for it',
  },
} as const satisfies Record<string, { http: number; grpc: string; means: string }>
