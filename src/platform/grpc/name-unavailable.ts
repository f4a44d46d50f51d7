import { Code, ConnectError } from '@connectrpc/connect'
import type { Interceptor } from '@connectrpc/connect'
import { databaseUnavailable, isUnavailable } from '../database/database-faults.ts'

/**
 * Answers `UNAVAILABLE` (`database_unavailable`) where the database did not answer, as HTTP answers 503:
 * what was asked may have been done, and asking again finds it. Any other fault passes as it is.
 */
export const nameUnavailable: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request)
    if (!response.stream) return response
    return { ...response, message: naming(response.message) }
  } catch (fault) {
    throw nameFault(fault)
  }
}

async function* naming<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* messages
  } catch (fault) {
    throw nameFault(fault)
  }
}

function nameFault(fault: unknown): unknown {
  if (!isUnavailable(fault)) return fault
  const { code, detail } = databaseUnavailable().refusal
  return new ConnectError(`${code}: ${detail}`, Code.Unavailable, { 'holdfast-code': code })
}
