import type { Connection } from './connection.ts'
import { isSocket } from './connection.ts'

/** Sized for two cores and a small memory; written once, so that an operator may edit `postgresql.conf`. */
const TUNING = {
  shared_buffers: '192MB',
  max_connections: '100',
  max_wal_size: '2GB',
  wal_level: 'replica',
  jit: 'off',
}

/** What our promises rest on, and what keeps order contents out of the server's log. */
const GUARANTEES = {
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
}

/** The options of `initdb` that write the tuning into `postgresql.conf`. */
export function tuningArguments(): string[] {
  return Object.entries(TUNING).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** The arguments of `postgres` for a cluster that answers at `where`, and nowhere else. */
export function serverArguments(cluster: string, where: Connection): string[] {
  const settings = {
    ...GUARANTEES,
    port: String(where.port),
    listen_addresses: isSocket(where) ? '' : where.host,
    unix_socket_directories: isSocket(where) ? where.host : '',
    unix_socket_permissions: '0700',
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return ['-D', cluster, ...options]
}

/** Nothing of ours reaches the server's environment: PGPORT and the like would change what it does. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }
}
