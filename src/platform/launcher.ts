import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** A process above us: which one, from when, and what it runs. */
type Ancestor = {
  readonly pid: number
  readonly startTime: string
  readonly session: string
  readonly parent: number
  readonly words: readonly string[]
}

const LOOK_EVERY_MS = 250
/** A shell of npm and a launcher of ours stand between npm and us at most. */
const DEPTH_MAX = 4

/**
 * Calls `onGone` once when a launcher of ours has died: npm or npx that started this command, their shell, or
 * `bin/holdfast.js` on another Node. A shell that npm starts dies of the SIGTERM that npm passes on, and passes
 * nothing on itself. Nobody else counts: what a script leaves in the background, `setsid` and PID 1 live on.
 */
export function watchLauncher(onGone: () => void): void {
  const watched = launchersOf(process.pid)
  if (watched.length === 0) return
  const timer = setInterval(() => {
    if (watched.every(isAlive)) return
    clearInterval(timer)
    onGone()
  }, LOOK_EVERY_MS)
  timer.unref()
}

/** The launchers of a process, nearest first; none where nobody but a person or a script started it. */
export function launchersOf(pid: number): readonly Ancestor[] {
  const own = readProcess(pid)
  if (!own) return []
  const between: Ancestor[] = []
  let above = readProcess(own.parent)
  for (let depth = 0; above && depth < DEPTH_MAX; depth += 1) {
    // In a session of its own it was put there to outlive whoever started it.
    if (above.session !== own.session) break
    if (isNpm(above)) return [...between, above]
    if (!isOwnLauncher(above) && !isShellOfNpm(above)) break
    between.push(above)
    above = readProcess(above.parent)
  }
  return between.filter((one, index) => index === 0 && isOwnLauncher(one))
}

const NPM_FILES = new Set(['npm', 'npx', 'npm-cli.js', 'npx-cli.js'])

// npm writes its command over its own argument list: `npm start`, `npm exec holdfast up`.
function isNpm({ words }: Ancestor): boolean {
  const [first = '', second = ''] = words
  return ['npm', 'npx'].includes(first.split(' ')[0] ?? '') || NPM_FILES.has(basename(second))
}

function isOwnLauncher({ words: [first = '', second = ''] }: Ancestor): boolean {
  return basename(first).startsWith('node') && /^holdfast(\.js)?$/.test(basename(second))
}

// A command that npm runs as it stands, and not one that its own text puts into the background.
function isShellOfNpm({ words: [, option = '', text = ''] }: Ancestor): boolean {
  return option === '-c' && /holdfast/.test(text) && !/(^|[^&])&([^&]|$)/.test(text)
}

function isAlive({ pid, startTime }: Ancestor): boolean {
  return readProcess(pid)?.startTime === startTime
}

// Undefined for one that has ended, reaped or not, and off Linux, where nobody is watched.
function readProcess(pid: number): Ancestor | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name may hold spaces and brackets: fields are counted behind its last bracket (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state = 'Z', parent = '0', , session = ''] = fields
    if (state === 'Z' || state === 'X') return undefined
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return { pid, startTime: fields[19] ?? '', session, parent: Number(parent), words }
  } catch {
    return undefined
  }
}
