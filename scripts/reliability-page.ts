import { cpus } from 'node:os'
import { z } from 'zod'

const counts = z.record(z.string(), z.number())
const simulated = {
  from: z.number(),
  dispatches: z.number(),
  hours: z.number(),
  sends: z.number(),
  doubles: z.number(),
  doublesUnseen: z.number(),
  falseAlarms: z.number(),
  lost: z.number(),
  zombies: z.number(),
  lostFences: z.number(),
  byHand: z.number(),
  byHandShipped: z.number(),
}

/** One line that `recordFigure` wrote. */
export const figure = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('simulation'),
    grade: z.string(),
    ...simulated,
    upperBound95: z.number(),
    crashes: counts,
    struck: counts,
  }),
  z.object({
    kind: z.literal('restored backups'),
    ...simulated,
    restores: z.number(),
    found: z.number(),
    leftToManifest: z.number(),
    sentBeforeFreeze: z.number(),
  }),
  z.object({
    kind: z.literal('crash'),
    seed: z.number(),
    ordered: z.number(),
    kills: counts,
    seconds: z.number(),
    settledAfterS: z.number(),
    networkFaults: z.object({ partners: counts, database: counts }),
    databaseCrashes: z.number(),
    workList: z.number(),
    double: z.number(),
    lost: z.number(),
    upperBound95: z.number(),
  }),
  z.object({
    kind: z.literal('wire'),
    cases: z.number(),
    kinds: z.number(),
    answers: counts,
  }),
  z.object({
    kind: z.literal('mutant'),
    name: z.string(),
    file: z.string(),
    test: z.string(),
  }),
])
type Figure = z.output<typeof figure>
type Of<K extends Figure['kind']> = Extract<Figure, { kind: K }>

/** The page of docs/reference/reliability.md, from what the suites measured. */
export function reliabilityPage(figures: readonly Figure[], command: string): string {
  const of = <K extends Figure['kind']>(kind: K): readonly Of<K>[] =>
    figures.filter((one): one is Of<K> => one.kind === kind)
  const day = new Date().toISOString().slice(0, 10)
  return `# Reliability

Written by \`${command}\` on ${day}, ${cpus().length} cores, Node ${process.version}. Every figure is counted by a judge
that the dispatcher cannot influence: what left the partner in the simulation, and the partners' own ledgers in the
crash suite. A zero is printed with its 95 % upper bound: none in n means fewer than 3 in n.

${underVirtualTime(of('simulation'))}
${restored(of('restored backups'))}
${realProcesses(of('crash'))}
${damaged(of('wire'))}
## Guards taken out

\`npm run test:mutants\` takes each guard out of the source, one at a time, and sees a named test go red
([mutants.ts](../../tests/mutants/mutants.ts)).

${table(
  ['taken out', 'missed by'],
  of('mutant').map(({ name, file, test }) => [name, `\`${file}\` "${test}"`]),
)}
`
}

function underVirtualTime(rows: readonly Of<'simulation'>[]): string {
  return `## Under virtual time

\`npm run test:simulation\` (\`npm run soak\` for 10,000,000 a class): the rules of dispatch themselves (keys, classes of
answers, next state, retry delay, last look at the lease, inbound lattice) under a virtual clock, with three processes
and a partner of each class. The dispatch table is a model that a test holds to the real statements. About one exchange
in six meets a fault. Class D cannot be asked: there a person answers, and that number is the price of such a partner.

${table(
  [
    'class',
    'dispatches',
    'simulated hours',
    'first seed',
    'sends',
    'double',
    'lost',
    '95 % bound of both',
    'answered by a person',
  ],
  rows.map((one) => [
    one.grade,
    n(one.dispatches),
    n(one.hours),
    String(one.from),
    n(one.sends),
    n(one.doubles),
    n(one.lost),
    bound(one.upperBound95),
    `${n(one.byHand)} (${n(one.byHandShipped)} had left)`,
  ]),
)}

What struck, over all classes: ${told(added(rows.map((one) => one.struck)))}; ${n(total(rows, 'zombies'))} senders that stood still
after their last look at the lease, and ${n(total(rows, 'lostFences'))} outcomes that came after their lease and were not
written. Where processes died: ${told(added(rows.map((one) => one.crashes)))}.

A seed that fails prints the command that runs it alone and becomes a fixture
([failed-seeds.json](../../tests/simulation/failed-seeds.json)). Where ghosts or stalls outlive the settle window (30
minutes), class C does ship twice: a test asserts that the judge sees it, and that the parcels of each are called a
suspected double ship. Class A and B do not depend on that window.
`
}

function restored(rows: readonly Of<'restored backups'>[]): string {
  return `### A partner that restores an old backup

It forgets what it took. The sequence in its next answer gives it away, and its lane is stopped. Where that answer is
lost, it looks healthy from then on, and the comparison of manifests tells of it within fifteen minutes. What it had
taken and never answered for may be sent again: those doubles are counted, and each was called suspected.

${table(
  [
    'dispatches',
    'backups restored',
    'found by the next answer',
    'left to the manifest',
    'sent before the lane stopped',
    'double',
    'of them unseen',
    'lost',
  ],
  rows.map((one) => [
    n(one.dispatches),
    n(one.restores),
    n(one.found),
    n(one.leftToManifest),
    n(one.sentBeforeFreeze),
    n(one.doubles),
    n(one.doublesUnseen),
    n(one.lost),
  ]),
)}
`
}

function realProcesses(rows: readonly Of<'crash'>[]): string {
  const details = rows.map(
    (one) => `- Killed: ${told(one.kills)}.
- Faults before the partners: ${told(one.networkFaults.partners)}; before the database: ${told(one.networkFaults.database)}.
- ${n(one.seconds)} s in all; everything was settled ${n(one.settledAfterS)} s after the last fault (at most 300).
`,
  )
  return `## Real processes

\`npm run test:crash\` (a short form runs with \`npm test\`): three dispatchers over PostgreSQL with fsync, three partners of
classes A, B and C in a process of their own, a TCP proxy before each of them and before the database that delays, cuts,
resets, half-closes and swallows. An auditor that imports nothing reads the partners' ledgers and an export of ours.

${table(
  [
    'dispatches',
    'SIGKILLs',
    'network faults',
    'database crashes',
    'double',
    'lost',
    '95 % bound of both',
    'for a person',
    'seed',
  ],
  rows.map((one) => [
    n(one.ordered),
    n(sum(one.kills)),
    n(sum(one.networkFaults.partners) + sum(one.networkFaults.database)),
    n(one.databaseCrashes),
    n(one.double),
    n(one.lost),
    bound(one.upperBound95),
    n(one.workList),
    String(one.seed),
  ]),
)}

${details.join('\n')}`
}

function damaged(rows: readonly Of<'wire'>[]): string {
  const lines = rows.map(({ cases, kinds, answers }) => {
    const silent = Object.entries(answers).filter(([answer]) => answer.startsWith('WRONG'))
    const wrong = sum(Object.fromEntries(silent))
    return `${n(cases)} streams, damaged in ${n(kinds)} ways: ${n(wrong)} cleared in silence (95 % bound ${bound(3 / cases)}). Answers: ${told(answers)}.`
  })
  return `## Damaged hand-overs

\`npx vitest run src/wire/damage.test.ts\`; a case is its own seed (\`DAMAGE_CASE=flip_bit/17\`).

${lines.join('\n')}
`
}

type Counts = Readonly<Record<string, number>>
const n = (value: number): string => value.toLocaleString('en')
const bound = (value: number): string => value.toExponential(1)
const sum = (of: Counts): number => Object.values(of).reduce((a, b) => a + b, 0)
const total = <K extends string>(rows: readonly Readonly<Record<K, number>>[], key: K): number =>
  rows.reduce((all, row) => all + row[key], 0)

function added(all: readonly Counts[]): Counts {
  const totals: Record<string, number> = {}
  for (const one of all) {
    for (const [name, count] of Object.entries(one)) totals[name] = (totals[name] ?? 0) + count
  }
  return totals
}

const told = (of: Counts): string =>
  Object.entries(of)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([name, count]) => `${name.replaceAll(/[_-]/g, ' ')} ${n(count)}`)
    .join(', ')

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
