/** A parameter as PostgreSQL reads it: its text form, or the bytes of a `bytea`. */
export type Encoded = string | Buffer | null

/**
 * The form of a parameter on the wire: text, number, boolean, `Date`, bytes, or an array of these,
 * which becomes an array literal (PostgreSQL manual, 8.15.2). Anything else throws.
 */
export function encodeValue(value: unknown): Encoded {
  if (value === null || value === undefined) return null
  if (value instanceof Uint8Array) return toBuffer(value)
  if (Array.isArray(value)) return `{${value.map(encodeElement).join(',')}}`
  return toText(value)
}

function encodeElement(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  if (value instanceof Uint8Array) return `"\\\\x${toBuffer(value).toString('hex')}"`
  const text = toText(value)
  if (!/["\\]/.test(text)) return `"${text}"`
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

function toText(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value instanceof Date) return value.toISOString()
  throw new TypeError(`a parameter cannot be of type ${typeof value}`)
}

function toBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
