import type { IncomingMessage } from 'node:http'
import { BODY_BYTES_MAX } from './judge-request.ts'
import { against } from './problem.ts'
import type { Judged } from './problem.ts'

/** The raw bytes of a request; `undefined` where the client went away before the last of them. */
export async function readBody(request: IncomingMessage): Promise<Judged<Buffer> | undefined> {
  const length = request.headers['content-length']
  if (request.method !== 'GET' && length === undefined) return against('length_required')
  if (Number(length ?? 0) > BODY_BYTES_MAX) return against('body_too_large')
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
  } catch {
    return undefined
  }
  // Node's parser holds the body to Content-Length; an early end arrives as a fault above.
  return { ok: true, value: Buffer.concat(chunks) }
}
