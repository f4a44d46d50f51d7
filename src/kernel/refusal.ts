import { RECONCILIATION_REFUSALS } from './refusal-reconciliation.ts'
import { LAB_REFUSALS } from './refusal-lab.ts'
import { EVENT_REFUSALS } from './refusal-events.ts'
import { HTTP_REFUSALS } from './refusal-http.ts'
import { PARTNER_REFUSALS } from './refusal-partners.ts'
import { RECALL_REFUSALS } from './refusal-recall.ts'
import { SYSTEM_REFUSALS } from './refusal-system.ts'

/**
 * The one catalogue of refusal codes, for HTTP (RFC 9457 `code`), gRPC (Connect code names), CLI and
 * `docs/reference/errors.md`, which a house test holds to this table. A code is never renamed.
 */
export const REFUSALS = {
  // Input
  body_invalid: {
    http: 422,
    grpc: 'invalid_argument',
    means: 'a field of the body is wrong; `field` names it',
  },
  body_malformed: {
    http: 400,
    grpc: 'invalid_argument',
    means: 'the body is not the JSON that the route takes',
  },
  body_too_large: {
    http: 413,
    grpc: 'resource_exhausted',
    means: 'the body is larger than the route allows',
  },
  media_type_unsupported: {
    http: 415,
    grpc: 'invalid_argument',
    means: 'the content type, or the content coding, is not one the route takes',
  },
  query_invalid: {
    http: 422,
    grpc: 'invalid_argument',
    means: 'a query or path parameter is wrong',
  },
  row_invalid: {
    http: 422,
    grpc: 'invalid_argument',
    means: 'a row of an input file is wrong; `line` names it',
  },
  file_unreadable: {
    http: 422,
    grpc: 'invalid_argument',
    means: 'an input file is missing, truncated or not the format',
  },
  config_invalid: {
    http: 500,
    grpc: 'failed_precondition',
    means: 'the environment holds a wrong or unknown setting',
  },
  usage_invalid: { http: 400, grpc: 'invalid_argument', means: 'the command line is wrong' },
  route_unknown: { http: 404, grpc: 'unimplemented', means: 'no such route' },
  method_unsupported: {
    http: 405,
    grpc: 'unimplemented',
    means: 'the route exists but not with this method; `Allow` lists those it has',
  },
  // Access
  unauthenticated: { http: 401, grpc: 'unauthenticated', means: 'no valid credential was given' },
  forbidden: {
    http: 403,
    grpc: 'permission_denied',
    means: 'the credential lacks the scope that the route declares',
  },
  login_expired: {
    http: 401,
    grpc: 'unauthenticated',
    means: 'the one-time login was used or is too old',
  },
  api_key_unknown: { http: 404, grpc: 'not_found', means: 'no such API key, or already revoked' },
  // Idempotency
  idempotency_key_missing: {
    http: 400,
    grpc: 'invalid_argument',
    means: 'the route needs an Idempotency-Key',
  },
  idempotency_key_invalid: {
    http: 400,
    grpc: 'invalid_argument',
    means: 'the Idempotency-Key is empty, too long or not printable ASCII',
  },
  idempotency_key_reused: {
    http: 422,
    grpc: 'invalid_argument',
    means: 'the same key was used with another body',
  },
  // Orders
  order_unknown: {
    http: 404,
    grpc: 'not_found',
    means: 'no such order, or the token is not its own',
  },
  order_reference_conflict: {
    http: 409,
    grpc: 'already_exists',
    means: 'the merchant reference exists with other content',
  },
  order_too_large: {
    http: 422,
    grpc: 'invalid_argument',
    means: 'the order fits no dispatch of one partner, or is split over too many locations',
  },
  product_unknown: {
    http: 422,
    grpc: 'invalid_argument',
    means: 'a line names a SKU that is not in the catalog',
  },
  insufficient_stock: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'a line asks for more than is available; `meta.lines` names them',
  },
  sku_quarantined: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'the SKU is withdrawn from sale until its stock is explained',
  },
  dispatch_sealed: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'the order is sealed in a dispatch: it can be recalled, and not held',
  },
  order_closed: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'the order is already cancelled or rejected',
  },
  decision_refused: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'the decision does not fit the state of the order',
  },
  checkout_unknown: {
    http: 404,
    grpc: 'not_found',
    means: 'no such checkout, or its token is not its own',
  },
  checkout_expired: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'the checkout let go of its stock',
  },
  // Catalog, inventory, partners, flags
  sku_unknown: { http: 404, grpc: 'not_found', means: 'no such SKU' },
  location_unknown: { http: 404, grpc: 'not_found', means: 'no such stock location' },
  partner_unknown: { http: 404, grpc: 'not_found', means: 'no such partner' },
  partner_exists: {
    http: 409,
    grpc: 'already_exists',
    means: 'a partner of that id exists with another address',
  },
  adjustment_conflict: {
    http: 409,
    grpc: 'already_exists',
    means: 'that adjustment id was used with other content',
  },
  stock_insufficient: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'an adjustment would take what is reserved; record a count instead',
  },
  flag_unknown: { http: 404, grpc: 'not_found', means: 'no such flag' },
  flag_refused: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'a guard refuses that value of the flag',
  },
  // Hand-over
  envelope_truncated: { http: 422, grpc: 'data_loss', means: 'the stream ended without END' },
  envelope_sequence: {
    http: 422,
    grpc: 'data_loss',
    means: 'an envelope is missing, doubled or out of order',
  },
  envelope_length: {
    http: 422,
    grpc: 'data_loss',
    means: 'a payload is not as long as its envelope says',
  },
  envelope_digest: { http: 422, grpc: 'data_loss', means: 'a payload does not match its SHA-256' },
  envelope_version: {
    http: 422,
    grpc: 'failed_precondition',
    means: 'the schema version is not spoken here',
  },
  envelope_kind: {
    http: 422,
    grpc: 'data_loss',
    means: 'a record of an unknown kind, or in the wrong place',
  },
  payload_malformed: {
    http: 422,
    grpc: 'data_loss',
    means: 'a payload does not decode, or holds what the schema does not know',
  },
  manifest_mismatch: {
    http: 422,
    grpc: 'data_loss',
    means: 'orders, ids or lines differ from the manifest',
  },
  verdict_count_mismatch: {
    http: 422,
    grpc: 'data_loss',
    means: 'the verdicts received are not those that the manifest counts',
  },
  end_mismatch: {
    http: 422,
    grpc: 'data_loss',
    means: 'totals or rolling digest of END differ from what arrived',
  },
  order_digest_mismatch: {
    http: 422,
    grpc: 'data_loss',
    means: 'an order is not the order that was decided on',
  },
  handover_conflict: {
    http: 409,
    grpc: 'aborted',
    means: 'a batch id came again with other content',
  },
  handover_too_large: {
    http: 413,
    grpc: 'resource_exhausted',
    means: 'an envelope or batch is above the hard limit',
  },
  handover_limits_differ: {
    http: 503,
    grpc: 'failed_precondition',
    means: 'sender and receiver are not configured alike; the hand-over does not begin',
  },
  receipt_mismatch: {
    http: 422,
    grpc: 'data_loss',
    means: 'the receipt does not echo what was sent',
  },
  // Fulfillment
  fulfillment_unknown: { http: 404, grpc: 'not_found', means: 'no such fulfillment order' },
  hold_unknown: { http: 404, grpc: 'not_found', means: 'no such hold' },
  hold_needs_decision: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'a review hold closes only by a certified CLEAR',
  },
  approval_unproven: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'a CLEAR without a valid approval certificate',
  },
  verdict_missing: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'nobody has decided on the order',
  },
  dispatch_unknown: { http: 404, grpc: 'not_found', means: 'no such dispatch' },
  dispatch_too_large: {
    http: 413,
    grpc: 'resource_exhausted',
    means: 'one fulfillment order alone is above the sealed-body limit',
  },
  dispatch_state: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'the dispatch is not in a state that allows this',
  },
  ack_mismatch: {
    http: 502,
    grpc: 'data_loss',
    means: 'a partner said yes without echoing what was sent',
  },
  ...HTTP_REFUSALS,
  ...PARTNER_REFUSALS,
  ...RECALL_REFUSALS,
  ...RECONCILIATION_REFUSALS,
  ...EVENT_REFUSALS,
  // The house
  ...SYSTEM_REFUSALS,
  ...LAB_REFUSALS,
  overloaded: {
    http: 503,
    grpc: 'resource_exhausted',
    means: 'a bounded queue is full; try again later',
  },
  internal: {
    http: 500,
    grpc: 'internal',
    means: 'a fault of ours; the log has it under the request id',
  },
} as const satisfies Record<string, { http: number; grpc: string; means: string }>

/** A stable code of the catalogue. */
export type RefusalCode = keyof typeof REFUSALS
