/** The part of the catalogue that is about taking back what is with a partner; see `refusal.ts`. */
export const RECALL_REFUSALS = {
  fulfillment_unavailable: {
    http: 503,
    grpc: 'unavailable',
    means: 'fulfillment did not answer, and nothing is recorded; try again',
  },
  recall_unknown: { http: 404, grpc: 'not_found', means: 'no such recall' },
  order_shipped: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'the goods have left; `meta.return` names how they come back',
  },
  order_partly_shipped: {
    http: 409,
    grpc: 'failed_precondition',
    means:
      'part of the order has left; `meta.return` names how it comes back, and what was stopped is told by the order',
  },
} as const satisfies Record<string, { http: number; grpc: string; means: string }>
