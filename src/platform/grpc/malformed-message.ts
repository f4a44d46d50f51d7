import { Code } from '@connectrpc/connect'
import type { ConnectRouter } from '@connectrpc/connect'
import type { RefusalCode } from '#kernel/index.ts'

// The library throws INTERNAL with this text for bytes that do not decode, which is our caller's fault.
const UNDECODABLE = /^parse%20binary|^parse binary/
const MALFORMED: RefusalCode = 'message_malformed'

/**
 * Makes every method answer INVALID_ARGUMENT, with `holdfast-code: message_malformed`, to bytes that
 * are not its message. The library offers no hook before it decodes, so its trailer is put right.
 */
export function nameMalformedMessages(router: ConnectRouter): void {
  for (const [index, handler] of router.handlers.entries()) {
    const { allowedMethods, ...rest } = handler
    router.handlers[index] = Object.assign(
      async (request: Parameters<typeof handler>[0]) => {
        const response = await handler(request)
        const { body, trailer } = response
        return body && trailer ? { ...response, body: corrected(body, trailer) } : response
      },
      { ...rest, allowedMethods },
    )
  }
}

// The trailer is complete when the body has ended, whichever way it ended.
async function* corrected(
  body: AsyncIterable<Uint8Array>,
  trailer: Headers,
): AsyncGenerator<Uint8Array> {
  yield* body
  const isUndecodable =
    trailer.get('grpc-status') === String(Code.Internal) &&
    UNDECODABLE.test(trailer.get('grpc-message') ?? '')
  if (!isUndecodable) return
  trailer.set('grpc-status', String(Code.InvalidArgument))
  trailer.set('holdfast-code', MALFORMED)
}
