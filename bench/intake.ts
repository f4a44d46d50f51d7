import { median, ratioFigure } from './figure.ts'
import type { Effort, Figure } from './figure.ts'
import { load, openWorld } from './world.ts'
import type { Measured } from './world.ts'

const GOALS = [
  { clients: 8, throughput: 1, cpu: 1.2 },
  { clients: 64, throughput: 1.5, cpu: 0.7 },
] as const

/** `POST /store/orders`, intake alone, against the hand-written baseline: interleaved pairs, medians. */
export async function intake({ pairs, seconds }: Effort): Promise<readonly Figure[]> {
  const world = await openWorld()
  try {
    const [ours, baseline] = [await world.startOurs(), await world.startBaseline()]
    const figures: Figure[] = []
    for (const goal of GOALS) {
      const plan = { test: 'order' as const, clients: goal.clients, seconds, skus: [...world.skus] }
      const runs: { ours: Measured; baseline: Measured }[] = []
      for (let pair = 0; pair < pairs; pair += 1) {
        runs.push({
          ours: await load(world, ours, { ...plan, shape: 'holdfast' }),
          baseline: await load(world, baseline, { ...plan, shape: 'baseline' }),
        })
      }
      const of = (read: (run: Measured) => number, side: 'ours' | 'baseline'): number =>
        median(runs.map((run) => read(run[side])))
      const cpu = (run: Measured): number => ((run.serverCpuS + run.databaseCpuS) * 1_000) / run.ok
      const at = `at ${goal.clients} clients`
      figures.push(
        {
          name: `orders/s ${at}, Holdfast`,
          value: of((run) => run.perSecond, 'ours'),
          unit: '1/s',
        },
        {
          name: `orders/s ${at}, baseline`,
          value: of((run) => run.perSecond, 'baseline'),
          unit: '1/s',
        },
        ratioFigure(
          `throughput ${at}`,
          median(runs.map((run) => run.ours.perSecond / run.baseline.perSecond)),
          { atLeast: goal.throughput },
        ),
        { name: `p99 ${at}, Holdfast`, value: of((run) => run.p99, 'ours'), unit: 'ms' },
        { name: `p99 ${at}, baseline`, value: of((run) => run.p99, 'baseline'), unit: 'ms' },
        { name: `CPU per order ${at}, Holdfast`, value: of(cpu, 'ours'), unit: 'ms' },
        { name: `CPU per order ${at}, baseline`, value: of(cpu, 'baseline'), unit: 'ms' },
        ratioFigure(
          `CPU per order ${at}`,
          median(runs.map((run) => cpu(run.ours) / cpu(run.baseline))),
          { atMost: goal.cpu },
        ),
        {
          name: `errors ${at}`,
          value: runs.reduce(
            (sum, run) => sum + Object.values(run.ours.errors).reduce((a, b) => a + b, 0),
            0,
          ),
          unit: 'answers',
          goal: '0',
        },
      )
    }
    return figures
  } finally {
    await world.close()
  }
}
