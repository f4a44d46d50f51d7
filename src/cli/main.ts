import { CommanderError } from 'commander'
import { RefusedError } from '#kernel/index.ts'
import { databaseUnavailable, isUnavailable, watchLauncher } from '#platform/index.ts'
import { isStayingUp } from './command.ts'
import { refusalLine } from './print-answer.ts'
import { holdfastProgram } from './program.ts'

// Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 done but for some rows. Never a stack trace.
process.stdout.on('error', (fault: NodeJS.ErrnoException) => {
  // The reader of a pipe left (`| head`): there is nobody to tell.
  process.exit(fault.code === 'EPIPE' ? 0 : 1)
})
// npm's own shell takes the signal that was meant for us, and dies of it: heard of by its death.
watchLauncher(() => process.kill(process.pid, 'SIGTERM'))
try {
  await holdfastProgram().parseAsync()
} catch (fault) {
  process.exitCode = tell(fault)
}
// Idle connections (HTTP/2 keeps its own for a while) must not hold a command that has answered.
if (!isStayingUp()) process.stdout.write('', () => process.exit())

function tell(fault: unknown): number {
  if (fault instanceof CommanderError) return fault.exitCode === 0 ? 0 : 2
  if (fault instanceof RefusedError) {
    process.stderr.write(`${refusalLine(fault.refusal)}\n`)
    return fault.refusal.code === 'usage_invalid' ? 2 : 1
  }
  if (isUnavailable(fault)) {
    process.stderr.write(`${refusalLine(databaseUnavailable().refusal)}\n`)
    return 1
  }
  const detail = fault instanceof Error ? fault.message : String(fault)
  process.stderr.write(`internal: ${detail}\n`)
  return 1
}
