import { once } from 'node:events'
import type { ChildProcess } from 'node:child_process'

/** Our environment without the settings of an installation: the lab meets none by accident. */
export function labEnvironment(
  settings: Readonly<Record<string, string>> = {},
): Record<string, string | undefined> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_'))
  return { ...Object.fromEntries(own), ...settings }
}

const END_MAX_MS = 10_000

/** Ends a child in order, and after 10 s in any case; resolves when it is gone. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MAX_MS)
  await ended
  clearTimeout(timer)
}
