// The simulator's own process: `node src/simulator/main.ts --config FILE`.
import { parseArgs } from 'node:util'
import { accept, orThrow, RefusedError, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { readConfig } from './config.ts'
import { startSimulator } from './start-simulator.ts'

async function main(): Promise<void> {
  const isChild = process.connected
  const config = orThrow(await readConfig(orThrow(configPath())))
  const simulator = await startSimulator(config)
  const end = (): void => {
    simulator.stop().then(
      () => process.exit(0),
      (fault: unknown) => fail(fault),
    )
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end)
  process.once('disconnect', end)
  // A parent that died during the start has sent its 'disconnect' already.
  if (isChild && !process.connected) return end()
  // Said last: whoever reads it may signal at once.
  const ready = { ready: true, partners: simulator.partners }
  process.stdout.write(`${JSON.stringify(ready)}\n`)
  process.send?.(ready)
}

function configPath(): Outcome<string> {
  try {
    const { values } = parseArgs({ options: { config: { type: 'string' } } })
    if (values.config !== undefined) return accept(values.config)
    return refuse('usage_invalid', 'give --config FILE')
  } catch (fault) {
    return refuse('usage_invalid', fault instanceof Error ? fault.message : String(fault))
  }
}

function fail(fault: unknown): void {
  const isRefused = fault instanceof RefusedError
  process.stderr.write(`simulator: ${isRefused ? fault.message : String(fault)}\n`)
  process.exit(isRefused && fault.refusal.code === 'usage_invalid' ? 2 : 1)
}

main().catch(fail)
