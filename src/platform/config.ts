import { accept, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'

/** Severity from which lines are logged. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
/** One of `LOG_LEVELS`. */
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Which times the dispatch protocol keeps. */
export const DISPATCH_TIMING_NAMES = ['standard', 'rehearsal'] as const
/** One of `DISPATCH_TIMING_NAMES`. */
export type DispatchTimingName = (typeof DISPATCH_TIMING_NAMES)[number]

/** The environment, read once. Absent addresses are `undefined`, never an empty string. */
export type Config = {
  readonly databaseUrl: string | undefined
  readonly migrationDatabaseUrl: string | undefined
  readonly dataDir: string
  readonly httpPort: number
  readonly grpcPort: number
  readonly host: string
  readonly publicUrl: string | undefined
  readonly logLevel: LogLevel
  readonly dispatchTiming: DispatchTimingName
  readonly masterKeyFile: string | undefined
  readonly fulfillmentUrl: string | undefined
}

/** One row of `docs/reference/config.md`. `fallback` is what holds where the name is absent. */
export type Setting = { readonly name: string; readonly fallback: string; readonly means: string }

/** Every name that this build reads. A part that is not built has no row: its name is an error. */
export const SETTINGS = [
  {
    name: 'HOLDFAST_DATABASE_URL',
    fallback: 'the embedded database',
    means: 'PostgreSQL 15 or newer, as a role that owns nothing (postgres://…)',
  },
  {
    name: 'HOLDFAST_MIGRATION_DATABASE_URL',
    fallback: 'none',
    means: 'the same database as its owner; used by `holdfast migrate` alone',
  },
  {
    name: 'HOLDFAST_DATA_DIR',
    fallback: './.holdfast',
    means: 'where the embedded database and the keys made for it live',
  },
  {
    name: 'HOLDFAST_HTTP_PORT',
    fallback: '4000',
    means: 'HTTP port; 0 picks a free one and prints it',
  },
  {
    name: 'HOLDFAST_GRPC_PORT',
    fallback: '4001',
    means: 'gRPC port; 0 picks a free one and prints it',
  },
  { name: 'HOLDFAST_HOST', fallback: '127.0.0.1', means: 'address that both ports listen on' },
  {
    name: 'HOLDFAST_PUBLIC_URL',
    fallback: 'the address listened on',
    means:
      'origin under which browsers and partners reach this installation (https://shop.example)',
  },
  {
    name: 'HOLDFAST_LOG_LEVEL',
    fallback: 'info',
    means: `least severity that is logged: ${LOG_LEVELS.join(', ')}`,
  },
  {
    name: 'HOLDFAST_DISPATCH_TIMING',
    fallback: 'standard',
    means:
      'times of the dispatch protocol: standard, or rehearsal (seconds instead of hours, for tests and the lab; partners beyond loopback are then not called)',
  },
  {
    name: 'HOLDFAST_FULFILLMENT_URL',
    fallback: 'the gRPC address of this process',
    means:
      'where the role orders hands over to (http://host:port, HTTP/2): fulfillment on another machine, or the proxy before it',
  },
  {
    name: 'HOLDFAST_MASTER_KEY_FILE',
    fallback: '`master.key` of the data folder, made once',
    means:
      'file with the key (32 to 4096 bytes) that seals secrets and derives the review key; beside the embedded database too, and then no `master.key` is made',
  },
] as const satisfies readonly Setting[]

type SettingName = (typeof SETTINGS)[number]['name']
type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the environment. Every problem is in one refusal (`config_invalid`), one a line in `detail`
 * and as a list in `meta.problems`; no value of a setting is repeated, because it may be a secret.
 */
export function readConfig(env: Environment): Outcome<Config, Refusal<'config_invalid'>> {
  const reader = settingReader(env)
  const config: Config = {
    databaseUrl: reader.url('HOLDFAST_DATABASE_URL', ['postgres:', 'postgresql:']),
    migrationDatabaseUrl: reader.url('HOLDFAST_MIGRATION_DATABASE_URL', [
      'postgres:',
      'postgresql:',
    ]),
    dataDir: reader.text('HOLDFAST_DATA_DIR') ?? './.holdfast',
    httpPort: reader.port('HOLDFAST_HTTP_PORT', 4000),
    grpcPort: reader.port('HOLDFAST_GRPC_PORT', 4001),
    host: reader.text('HOLDFAST_HOST') ?? '127.0.0.1',
    publicUrl: reader.origin('HOLDFAST_PUBLIC_URL'),
    logLevel: reader.choice('HOLDFAST_LOG_LEVEL', LOG_LEVELS, 'info'),
    dispatchTiming: reader.choice('HOLDFAST_DISPATCH_TIMING', DISPATCH_TIMING_NAMES, 'standard'),
    masterKeyFile: reader.text('HOLDFAST_MASTER_KEY_FILE'),
    fulfillmentUrl: reader.origin('HOLDFAST_FULFILLMENT_URL'),
  }
  const problems = [...reader.problems, ...unknownNames(env)]
  if (config.httpPort === config.grpcPort && config.httpPort !== 0) {
    problems.push('HOLDFAST_HTTP_PORT and HOLDFAST_GRPC_PORT are the same port.')
  }
  if (problems.length === 0) return accept(config)
  return refuse('config_invalid', problems.join('\n'), { meta: { problems } })
}

function settingReader(env: Environment) {
  const problems: string[] = []
  const text = (name: SettingName): string | undefined => {
    const value = env[name]
    if (value === undefined) return undefined
    if (value.trim() === '') problems.push(`${name} is empty: leave it out, or give it a value.`)
    return value.trim() === '' ? undefined : value
  }
  const url = (name: SettingName, protocols: readonly string[]): string | undefined => {
    const value = text(name)
    if (value === undefined) return undefined
    // A socket address has no host (`postgres://user@/name?host=/run/…`), which URL does not take.
    const parsed = URL.parse(value.replace(/@\/|:\/\/\//, (gap) => `${gap.slice(0, -1)}socket/`))
    if (protocols.includes(parsed?.protocol ?? '')) return value
    problems.push(`${name} must be an address that begins with ${protocols.join('// or ')}//.`)
    return undefined
  }
  const port = (name: SettingName, fallback: number): number => {
    const value = text(name)
    // A Service named `holdfast-http` gives this very name to every pod beside it.
    if (value === undefined || SERVICE_URL.test(value)) return fallback
    if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535) return Number(value)
    problems.push(`${name} must be a port, 0 to 65535.`)
    return fallback
  }
  const choice = <T extends string>(name: SettingName, choices: readonly T[], fallback: T): T => {
    const value = text(name)
    const found = choices.find((one) => one === value)
    if (value !== undefined && !found) problems.push(`${name} must be ${choices.join(', ')}.`)
    return found ?? fallback
  }
  const origin = (name: SettingName): string | undefined => {
    const value = url(name, ['http:', 'https:'])
    if (value === undefined) return undefined
    const parsed = new URL(value)
    if (parsed.href === `${parsed.origin}/`) return parsed.origin
    problems.push(`${name} must be an origin alone: scheme, host and port, no path.`)
    return undefined
  }
  return { problems, text, url, port, choice, origin }
}

const SERVICE_URL = /^(?:tcp|udp|sctp):\/\/[^/]+:\d{1,5}$/

/**
 * True for what Kubernetes adds to every pod for a Service whose name begins with `holdfast`, by name
 * and value together, so that a misspelt setting is still refused (`HOLDFAST_HTP_PORT=4000`).
 */
function isServiceVariable(name: string, value: string): boolean {
  if (name.endsWith('_SERVICE_HOST')) return true
  if (/_SERVICE_PORT(?:_[A-Z0-9_]+)?$/.test(name)) return /^\d{1,5}$/.test(value)
  if (/_PORT_\d{1,5}_(?:TCP|UDP|SCTP)_(?:PROTO|PORT|ADDR)$/.test(name)) return true
  return /_PORT(?:_\d{1,5}_(?:TCP|UDP|SCTP))?$/.test(name) && SERVICE_URL.test(value)
}

function unknownNames(env: Environment): readonly string[] {
  const known: readonly string[] = SETTINGS.map((setting) => setting.name)
  return Object.keys(env)
    .filter((name) => name.startsWith('HOLDFAST_') && !known.includes(name))
    .filter((name) => !isServiceVariable(name, env[name] ?? ''))
    .toSorted()
    .map((name) => {
      const nearest = known.toSorted((a, b) => editDistance(name, a) - editDistance(name, b))[0]
      return `${name} is not a setting of this build; the nearest is ${nearest}.`
    })
}

// Levenshtein: insertions, deletions and substitutions cost one each.
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [i, letter] of Array.from(from).entries()) {
    const next = [i + 1]
    for (const [j, other] of Array.from(to).entries()) {
      const substituted = (row[j] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(substituted, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
