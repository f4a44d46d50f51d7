import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { systemClock } from '#kernel/index.ts'
import type { Clock } from '#kernel/index.ts'
import { METRICS } from './metrics-table.ts'
import type {
  CollectedName,
  CounterName,
  LabelsOf,
  MetricName,
  MetricRow,
} from './metrics-table.ts'

type Labels = Readonly<Record<string, string>>

/** One value of a metric now. */
export type Sample<N extends MetricName = MetricName> = {
  readonly labels?: LabelsOf<N>
  readonly value: number
}
/** Reads a metric at a scrape. `undefined` leaves it out: absent is not zero. */
export type Collector<N extends CollectedName> = () => Promise<
  number | readonly Sample<N>[] | undefined
>

/** The metrics of one process. */
export type Metrics = {
  readonly count: <N extends CounterName>(name: N, labels?: LabelsOf<N>, by?: number) => void
  /** Counts one series by ones: an addition a call, where `count` looks its series up (0.3 µs). */
  readonly tally: <N extends CounterName>(name: N, labels: LabelsOf<N>) => () => void
  /** Supplies a metric at each scrape; the answer takes the collector away again. */
  readonly registerCollector: <N extends CollectedName>(name: N, read: Collector<N>) => () => void
  readonly observeSeconds: (seconds: number) => void
  /** Creates the series of these values of a label that the table leaves to the routes. */
  readonly declareRoutes: (routes: readonly string[]) => void
  /** Prometheus text, format 0.0.4. At most one collection a second and one at a time. */
  readonly expose: () => Promise<string>
  readonly registry: Registry
}

type Parts = {
  readonly counters: Map<string, Counter>
  readonly gauges: Map<string, Gauge>
}
const COLLECT_MAX_MS = 2_000
const FRESH_MS = 1_000
const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Makes the metrics of the table, each series of a bounded label at zero. */
export function createMetrics(clock: Clock = systemClock): Metrics {
  const registry = new Registry()
  const parts: Parts = { counters: new Map(), gauges: new Map() }
  const collectors = new Map<string, () => Promise<number | readonly Sample[] | undefined>>()
  for (const [name, row] of rows()) declare(registry, parts, name, row)
  const duration = new Histogram({
    name: 'holdfast_http_request_duration_seconds',
    help: METRICS.holdfast_http_request_duration_seconds.help,
    buckets: BUCKETS_S,
    registers: [registry],
  })
  const count = (name: string, labels?: object, by = 1): void =>
    parts.counters.get(name)?.inc({ ...labels }, by)

  const tallies: (() => void)[] = []
  const tally = (name: string, labels: object): (() => void) => {
    let pending = 0
    tallies.push(() => {
      if (pending > 0) count(name, labels, pending)
      pending = 0
    })
    return () => void (pending += 1)
  }

  const collect = async (): Promise<string> => {
    await Promise.all(
      [...collectors].map(async ([name, read]) => {
        try {
          store(parts, name, await within(read(), COLLECT_MAX_MS))
        } catch {
          store(parts, name, undefined)
          count('holdfast_collector_failures_total')
        }
      }),
    )
    // Last, so that requests are told as they are timed, which is at once.
    for (const settle of tallies) settle()
    return registry.metrics()
  }
  return {
    count,
    tally,
    registerCollector: (name, read) => {
      collectors.set(name, read)
      return () => void (collectors.get(name) === read && collectors.delete(name))
    },
    observeSeconds: (seconds) => duration.observe(seconds),
    declareRoutes: (routes) => {
      for (const [name, row] of rows()) precreate(parts, name, row, routes)
    },
    expose: atMostEvery(clock, collect),
    registry,
  }
}

function rows(): readonly (readonly [string, MetricRow])[] {
  return Object.entries(METRICS)
}

function declare(registry: Registry, parts: Parts, name: string, row: MetricRow): void {
  const labelNames = Object.keys(row.labels ?? {})
  const options = { name, help: `${row.help} (${row.unit})`, labelNames, registers: [registry] }
  if (row.type === 'counter') parts.counters.set(name, new Counter(options))
  if (row.type === 'gauge') {
    const gauge = new Gauge(options)
    // A gauge without labels is born as 0; nobody has measured that.
    gauge.remove({})
    parts.gauges.set(name, gauge)
  }
  precreate(parts, name, row, [])
}

function precreate(parts: Parts, name: string, row: MetricRow, routes: readonly string[]): void {
  const counter = parts.counters.get(name)
  let series: readonly Labels[] = [{}]
  for (const [label, values] of Object.entries(row.labels ?? {})) {
    const all = values === 'routes' ? routes : values
    series = series.flatMap((labels) =>
      all.map((value) => Object.assign({}, labels, { [label]: value })),
    )
  }
  for (const labels of series) counter?.inc(labels, 0)
}

function store(parts: Parts, name: string, read: number | readonly Sample[] | undefined): void {
  const samples = typeof read === 'number' ? [{ value: read }] : (read ?? [])
  const counter = parts.counters.get(name)
  const gauge = parts.gauges.get(name)
  // A counter that could not be read keeps its value: going back to zero would look like a restart.
  if (samples.length > 0) counter?.reset()
  gauge?.reset()
  gauge?.remove({})
  for (const { labels, value } of samples) {
    counter?.inc({ ...labels }, value)
    gauge?.set({ ...labels }, value)
  }
}

function atMostEvery(clock: Clock, make: () => Promise<string>): () => Promise<string> {
  let made: Promise<string> | undefined
  let untilMs = 0
  return () => {
    if (made && clock.monotonicMs() < untilMs) return made
    untilMs = Number.POSITIVE_INFINITY
    made = make().finally(() => (untilMs = clock.monotonicMs() + FRESH_MS))
    return made
  }
}

async function within<T>(work: Promise<T>, maxMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not collected within ${maxMs} ms`)), maxMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
