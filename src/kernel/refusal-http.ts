/** Refusals of the transports themselves, before a route or a method sees anything. */
export const HTTP_REFUSALS = {
  request_malformed: {
    http: 400,
    grpc: 'invalid_argument',
    means: 'the request is not valid HTTP/1.1: its syntax, its framing, or other than one Host',
  },
  request_timeout: {
    http: 408,
    grpc: 'deadline_exceeded',
    means: 'the request did not arrive whole in time',
  },
  expectation_failed: {
    http: 417,
    grpc: 'invalid_argument',
    means: 'the request expects something else than 100-continue',
  },
  headers_too_large: {
    http: 431,
    grpc: 'resource_exhausted',
    means: 'the request line and headers are larger than 16 KiB together',
  },
  message_malformed: {
    http: 400,
    grpc: 'invalid_argument',
    means: 'a gRPC message does not decode as the protobuf type of its method',
  },
} as const
