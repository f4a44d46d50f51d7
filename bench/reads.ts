import { median, ratioFigure } from './figure.ts'
import type { Effort, Figure } from './figure.ts'
import { load, openWorld } from './world.ts'

/** List and detail against the baseline, uncached and cached, and search over 10,000 SKUs. */
export async function reads({ pairs, seconds }: Effort): Promise<readonly Figure[]> {
  const world = await openWorld(10_000)
  try {
    const [ours, baseline] = [await world.startOurs(), await world.startBaseline()]
    const figures: Figure[] = []
    const cases = [
      {
        name: 'list, uncached',
        test: 'list' as const,
        skus: world.skus,
        cached: false,
        atLeast: 0.7,
      },
      { name: 'list, cached', test: 'list' as const, skus: world.skus, cached: true, atLeast: 3 },
      {
        name: 'detail, uncached',
        test: 'detail' as const,
        skus: world.skus,
        cached: false,
        atLeast: 0.7,
      },
      {
        name: 'detail, cached',
        test: 'detail' as const,
        skus: world.skus.slice(0, 20),
        cached: true,
        atLeast: 3,
      },
    ]
    for (const one of cases) {
      const plan = { test: one.test, clients: 8, seconds, skus: [...one.skus], cached: one.cached }
      const ratios: number[] = []
      for (let pair = 0; pair < pairs; pair += 1) {
        const mine = await load(world, ours, { ...plan, shape: 'holdfast' })
        const theirs = await load(world, baseline, { ...plan, shape: 'baseline' })
        ratios.push(mine.perSecond / theirs.perSecond)
      }
      figures.push(ratioFigure(one.name, median(ratios), { atLeast: one.atLeast }))
    }
    const search = await load(world, ours, {
      test: 'search',
      shape: 'holdfast',
      clients: 8,
      seconds,
      skus: [...world.skus],
    })
    figures.push({
      name: 'search p95, 10,000 SKUs, 8 clients',
      value: search.p95,
      unit: 'ms',
      goal: '< 50 ms',
      met: search.p95 < 50,
    })
    return figures
  } finally {
    await world.close()
  }
}
