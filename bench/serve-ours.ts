// Our server as `holdfast serve` runs it, for the benches: roles from the first argument.
import { orThrow } from '#kernel/index.ts'
import { createLog, readConfig } from '#platform/index.ts'
import { parseRoles, runServe } from '#roles/index.ts'

const config = orThrow(readConfig(process.env))
const roles = orThrow(parseRoles(process.argv[2] ?? 'web'))
const serving = orThrow(
  await runServe(config, {
    roles,
    log: createLog({ level: config.logLevel }),
    say: () => undefined,
  }),
)
process.stdout.write(`${JSON.stringify(serving)}\n`)
