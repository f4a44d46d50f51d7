// A server process for race tests over the database and key that the environment names: every role but
// the worker, and the worker too where TEST_WORKER is set.
import { orThrow } from '#kernel/index.ts'
import { createLog, readConfig } from '#platform/index.ts'
import { ROLES, runServe } from '#roles/index.ts'

const config = orThrow(readConfig(process.env))
const roles = new Set(
  ROLES.filter((role) => role !== 'worker' || process.env['TEST_WORKER'] === '1'),
)
const serving = orThrow(
  await runServe(config, {
    roles,
    log: createLog({ level: config.logLevel }),
    say: () => undefined,
  }),
)
process.stdout.write(`${JSON.stringify(serving)}\n`)
