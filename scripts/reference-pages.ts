import { FLAGS } from '../src/flags/index.ts'
import { REFUSALS } from '../src/kernel/index.ts'
import { HOLD_REASONS } from '../src/orders/index.ts'
import { SETTINGS } from '../src/platform/index.ts'
import { eventRows } from '../src/subscriptions/index.ts'
import { METRICS } from '../src/telemetry/index.ts'
import type { MetricRow } from '../src/telemetry/index.ts'
import { holdfastProgram } from '../src/cli/program.ts'
import { cliPage } from './cli-page.ts'
import { limitRows } from './limits-page.ts'

/** The generated pages of `docs/reference/`, by file name: each is a table of the code, as Markdown. */
export function referencePages(): ReadonlyMap<string, string> {
  return new Map([
    ['cli.md', cliPage(holdfastProgram())],
    ['config.md', configPage()],
    ['errors.md', errorsPage()],
    ['events.md', eventsPage()],
    ['flags.md', flagsPage()],
    ['limits.md', limitsPage()],
    ['metrics.md', metricsPage()],
    ['review.md', reviewPage()],
  ])
}

const made = 'Made by `npm run docs` from the code; a test holds it to the code.'

function errorsPage(): string {
  const rows = Object.entries(REFUSALS).map(([code, row]) => [
    `\`${code}\``,
    String(row.http),
    `\`${row.grpc}\``,
    row.means,
  ])
  return page(
    'Errors',
    'HTTP answers RFC 9457 `application/problem+json` with this `code`; gRPC sends it as `holdfast-code`; the command line prints it first.',
    ['code', 'HTTP', 'gRPC', 'means'],
    rows,
  )
}

function limitsPage(): string {
  return page(
    'Limits',
    'What a caller, a partner or a file can meet, with the code of what is above it.',
    ['what', 'at most', 'above it'],
    limitRows(),
  )
}

function configPage(): string {
  const rows = SETTINGS.map((row) => [`\`${row.name}\``, row.fallback, row.means])
  return page(
    'Configuration',
    'Read once from the environment. All problems are told together; an unknown `HOLDFAST_*` name is an error.',
    ['name', 'where absent', 'means'],
    rows,
  )
}

function eventsPage(): string {
  return page(
    'Events',
    [
      'What happened, as `GET /admin/events` and webhooks tell it: `{ "id", "type", "version", "timestamp", "data" }`.',
      'A field with `?` may be null. `version` rises when a field changes its meaning or goes; fields may be added.',
      'Payloads hold ids, codes, counts and times, never an address or a name. How to read them: [Events out](events-out.md).',
    ].join(' '),
    ['event', 'version', 'tells that', 'data'],
    eventRows(),
  )
}

function flagsPage(): string {
  const rows = Object.entries(FLAGS).map(([key, row]) => [
    `\`${key}\``,
    onOff(row.initial),
    onOff(row.safe),
    row.means,
  ])
  return page(
    'Flags',
    'Switched by `holdfast flags set` or the admin API, each time with a reason that the audit table keeps. No flag touches a key or sealed bytes.',
    ['flag', 'at first', 'safe side', 'means'],
    rows,
  )
}

function reviewPage(): string {
  const rows = Object.entries(HOLD_REASONS).map(([reason, row]) => [
    `\`${reason}\``,
    ENDS[row.by],
    row.means,
  ])
  return page(
    'Review',
    'Why an order is held: the `reasons` of a decision, of `review` in the answer to a placed order, and of events. An order is held with every reason that applies, and a person decides it. `flags_unread` and `rules_unread` stand only where no reason needs a person: such an order is decided again by rule, as soon as rules and flags can be read and unless a person decided it or asked for it back in the meantime.',
    ['reason', 'ends by', 'means'],
    rows,
  )
}

const ENDS = { rule: 'a person', other: 'a person', unread: 'itself, or a person' } as const

function metricsPage(): string {
  const rows = Object.entries<MetricRow>(METRICS).map(([name, row]) => [
    `\`${name}\``,
    row.type,
    row.unit,
    Object.keys(row.labels ?? {})
      .map((label) => `\`${label}\``)
      .join(', '),
    row.help,
  ])
  return page(
    'Metrics',
    'Prometheus exposition at `/metrics`. Label values are bounded and exist from the start.',
    ['metric', 'type', 'unit', 'labels', 'means'],
    rows,
  )
}

function page(
  title: string,
  intro: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`
  const rule = `|${header.map(() => '---').join('|')}|`
  return [`# ${title}`, '', `${intro} ${made}`, '', line(header), rule, ...rows.map(line), ''].join(
    '\n',
  )
}

const onOff = (value: boolean): string => (value ? 'on' : 'off')
