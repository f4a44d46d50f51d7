import { pino } from 'pino'
import type { LogLevel } from './config.ts'
import type { Log } from './context.ts'
import { openLogWriter } from './log-writer.ts'

/** A log and its end: `flush` before the process leaves, for at most half a second. */
export type LogSink = Log & { readonly flush: () => void }

const SECRET_NAME = /authorization|cookie|secret|token|password|signature|(^|[_-])key$|apikey/i
const DEPTH_MAX = 4

/**
 * A JSON log on standard error, or appended to `file`. Logging never blocks and never kills: lines that cannot
 * be written are dropped and counted (`droppedLogLines`). Values under secret-looking names are replaced.
 */
export function createLog(options: { level: LogLevel; file?: string }): LogSink {
  const writer = openLogWriter(options.file)
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }), log: redact },
    },
    { write: writer.write },
  )
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    flush: writer.flush,
  }
}

/** A log that keeps nothing, for tests and tools. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

function redact(fields: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      SECRET_NAME.test(name) ? '[redacted]' : redactValue(value, 1),
    ]),
  )
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date || value instanceof Error || depth > DEPTH_MAX) {
    return depth > DEPTH_MAX ? '[deep]' : value
  }
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      SECRET_NAME.test(name) ? '[redacted]' : redactValue(item, depth + 1),
    ]),
  )
}
