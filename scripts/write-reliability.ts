// `npm run docs:reliability [-- --long]`: runs the simulation and the crash suite and writes
// docs/reference/reliability.md from what they measured. `--long` runs the forms of `soak` and `test:crash`.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

const row = z.looseObject({ kind: z.string() })
type Row = z.output<typeof row>

const LONG = {
  SIMULATION_DISPATCHES: '10000000',
  CRASH_DISPATCHES: '10000',
  CRASH_KILLS: '500',
  CRASH_RESTARTS: '10',
}
const isLong = process.argv.includes('--long')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-reliability-'))
const file = join(folder, 'figures.ndjson')
writeFileSync(file, '')
try {
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    'simulation',
    '--project',
    'crash',
  ]
  const env = { ...process.env, ...(isLong ? LONG : {}), RELIABILITY_FILE: file }
  const run = spawnSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], env })
  if (run.status !== 0) {
    process.stderr.write('reliability: a suite failed; nothing was written\n')
    process.exit(1)
  }
  const rows = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => row.parse(JSON.parse(line)))
  writeFileSync('docs/reference/reliability.md', page(rows))
} finally {
  rmSync(folder, { recursive: true })
}

function page(rows: readonly Row[]): string {
  const of = (kind: string) => rows.filter((one) => one.kind === kind)
  const simulated = of('simulation')
    .toSorted((a, b) => text(a, 'grade').localeCompare(text(b, 'grade')))
    .map((one) => [
      text(one, 'grade'),
      text(one, 'dispatches'),
      text(one, 'hours'),
      text(one, 'sends'),
      text(one, 'crashes'),
      text(one, 'double'),
      text(one, 'lost'),
      Number(one['upperBound95']).toExponential(1),
      `${text(one, 'byHand')} (${text(one, 'byHandShipped')} had left)`,
    ])
  const restored = of('restored backups').map((one) =>
    ['dispatches', 'restores', 'frozen', 'doubles', 'lost'].map((key) => text(one, key)),
  )
  const crashed = of('crash').map((one) => [
    text(one, 'ordered'),
    String(
      Object.values(z.record(z.string(), z.number()).parse(one['kills'])).reduce(
        (a, b) => a + b,
        0,
      ),
    ),
    text(one, 'networkFaults'),
    text(one, 'databaseCrashes'),
    text(one, 'double'),
    text(one, 'lost'),
    text(one, 'workList'),
    text(one, 'seed'),
  ])
  const kills = of('crash').map((one) => {
    const points = Object.entries(z.record(z.string(), z.number()).parse(one['kills']))
    return points
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([point, count]) => `${point} ${count}`)
      .join(', ')
  })
  return `# Reliability

Written by \`npm run docs:reliability${isLong ? ' -- --long' : ''}\` on ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, Node ${process.version}. Every
figure is counted by a judge that the dispatcher cannot influence: what left the partner in the simulation,
and the partners' own ledgers in the crash suite. A zero is printed with its 95 % upper bound (3 in n).

## Under virtual time

\`npm run test:simulation\` (\`npm run soak\` for 10,000,000 a class): the real rules of dispatch, three processes, and a
partner of each class. About one exchange in six meets a fault: refused, request lost, answer lost, a ghost that
lands up to 14 minutes later, 500 after commit, 409, 429 and 503, stale look-ups, stalls of the sender up to 14
minutes, crashes at every step, commits in doubt, and outages up to 30 hours. Class D cannot be asked: there a
person answers, and that number is the price of such a partner.

${table(['class', 'dispatches', 'simulated hours', 'sends', 'crashes', 'double', 'lost', '95 % bound', 'answered by a person'], simulated)}

Seeds 20260207 and on; a failing one prints the command that runs it alone.

A class A partner that restores an old backup forgets what it took. It is found out by the sequence it reports,
and its lane is stopped. What it had taken and never answered for cannot be seen, and may be sent again:

${table(['dispatches', 'backups restored', 'lanes stopped', 'double', 'lost'], restored)}

Where ghosts or stalls outlive the settle window (30 minutes), class C does ship twice: a test asserts that the
judge sees it. Class A and B do not depend on that window.

## Real processes

\`npm run test:crash\` (a short form runs with \`npm test\`): three dispatchers over PostgreSQL with fsync, three partners of
classes A, B and C in a process of their own, a TCP proxy before each of them and before the database that
delays, cuts, resets, half-closes and swallows. An auditor reads the partners' ledgers and an export of ours.

${table(['dispatches', 'SIGKILLs', 'network faults', 'database crashes', 'double', 'lost', 'for a person', 'seed'], crashed)}

Where they were killed: ${kills.join('; ')}.

## Guards taken out

\`npm run test:mutants\` takes each guard of [mutants.ts](../../tests/mutants/mutants.ts) out of the source, one at a time, and
sees a named test go red.
`
}

const text = (one: Row, key: string): string => {
  const value = one[key]
  return typeof value === 'number' ? value.toLocaleString('en') : String(value)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
