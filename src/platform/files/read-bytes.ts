import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'

const CHUNK_BYTES = 256 * 1024

/**
 * The bytes of a file, chunk by chunk; a file that begins as gzip (RFC 1952) is unpacked whatever
 * its name. Throws the system's or zlib's error: `fileFault` turns it into a refusal.
 */
export async function* readBytes(path: string): AsyncGenerator<Buffer> {
  const handle = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0)
    const isGzip = bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
    const raw = handle.createReadStream({ start: 0, highWaterMark: CHUNK_BYTES, autoClose: false })
    // An error of the raw stream ends the unpacked one with it, and is thrown to the reader there.
    const bytes = isGzip ? pipeline(raw, createGunzip({ chunkSize: CHUNK_BYTES }), ignore) : raw
    for await (const chunk of bytes) if (Buffer.isBuffer(chunk)) yield chunk
  } finally {
    await handle.close()
  }
}

const ignore = (): void => undefined
