/** What a database refuses that was created for the other purpose. */
export const LAB_REFUSALS = {
  lab_database: {
    http: 503,
    grpc: 'failed_precondition',
    means: 'the database was created for the lab; no role of the product runs on it',
  },
  product_database: {
    http: 503,
    grpc: 'failed_precondition',
    means: 'the database was not created for the lab; no world without guards runs on it',
  },
} as const
