/** The part of the catalogue that is about what a process stands on; see `refusal.ts`. */
export const SYSTEM_REFUSALS = {
  system_unsupported: {
    http: 500,
    grpc: 'failed_precondition',
    means: 'this is not Linux with glibc on x64 or arm64; refused at `npm ci` and by every command',
  },
  runtime_missing: {
    http: 500,
    grpc: 'failed_precondition',
    means: 'npm did not install the pinned Node or PostgreSQL: `npm ci` without `--omit=optional`',
  },
  database_unavailable: {
    http: 503,
    grpc: 'unavailable',
    means:
      'the database does not answer; what was asked may have been done all the same: send it again with its Idempotency-Key',
  },
  answer_late: {
    http: 503,
    grpc: 'unavailable',
    means:
      'there was no answer within 10 s; what was asked may have been done all the same: send it again with its Idempotency-Key',
  },
  port_in_use: {
    http: 503,
    grpc: 'failed_precondition',
    means: 'another process listens on the port; the detail names the setting to change',
  },
  address_unusable: {
    http: 500,
    grpc: 'failed_precondition',
    means: 'HOLDFAST_HOST or a port is none that this process may listen on',
  },
  database_schema: {
    http: 503,
    grpc: 'failed_precondition',
    means: 'the schema is not the one this build needs',
  },
  data_dir_busy: {
    http: 503,
    grpc: 'failed_precondition',
    means: 'another live process owns the data directory',
  },
  master_key_unknown: {
    http: 503,
    grpc: 'failed_precondition',
    means: 'the master key of this process is not among those in force in the database',
  },
  master_key_differs: {
    http: 500,
    grpc: 'failed_precondition',
    means: 'the data folder holds another master key than HOLDFAST_MASTER_KEY_FILE names',
  },
  master_key_in_use: {
    http: 409,
    grpc: 'failed_precondition',
    means: 'live secrets are sealed with that master key, or it is the last one in force',
  },
} as const
