import { sha256 } from '#kernel/index.ts'

/** The `Content-Digest` of RFC 9530 over a body as it travels, by SHA-256. */
export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${sha256(body).toString('base64')}:`
}
