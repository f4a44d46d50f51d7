import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'

const CHUNK_BYTES = 256 * 1024

/** The largest file that is read, in bytes after unpacking: a gzip file of 4 MB can hold 4 GB. */
export const UNPACKED_BYTES_MAX = 4 * 1024 ** 3

/**
 * The bytes of a regular file, chunk by chunk; a file that begins as gzip (RFC 1952) is unpacked whatever
 * its name. Throws the system's or zlib's error, and one with the code `EFBIG` beyond `bytesMax` unpacked
 * bytes: `fileFault` turns them into a refusal.
 */
export async function* readBytes(
  path: string,
  bytesMax: number = UNPACKED_BYTES_MAX,
): AsyncGenerator<Buffer> {
  const handle = await openRegular(path)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0)
    const isGzip = bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
    const raw = handle.createReadStream({ start: 0, highWaterMark: CHUNK_BYTES, autoClose: false })
    // An error of the raw stream ends the unpacked one with it, and is thrown to the reader there.
    const bytes = isGzip ? pipeline(raw, createGunzip({ chunkSize: CHUNK_BYTES }), ignore) : raw
    let count = 0
    for await (const chunk of bytes) {
      if (!Buffer.isBuffer(chunk)) continue
      count += chunk.length
      if (count > bytesMax) throw tooLarge()
      yield chunk
    }
  } finally {
    await handle.close()
  }
}

/** An error like that of a system whose files may not be larger. */
export const tooLarge = (): Error =>
  Object.assign(new Error('the file is too large'), { code: 'EFBIG' })

// Looked at through the open file, so that nobody puts another one in its place; without waiting for the
// writer of a pipe. A device may have no end: /dev/zero.
async function openRegular(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const found = await handle.stat()
  if (found.isFile()) return handle
  await handle.close()
  const code = found.isDirectory() ? 'EISDIR' : found.isFIFO() ? 'ESPIPE' : 'ENODEV'
  throw Object.assign(new Error('not a regular file'), { code })
}

const ignore = (): void => undefined
