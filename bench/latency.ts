import type { Effort, Figure } from './figure.ts'
import { load, openWorld } from './world.ts'

/** Open-loop latency at 50 % and 80 % of the capacity found first, from intended start times. */
export async function latency({ seconds }: Effort): Promise<readonly Figure[]> {
  const world = await openWorld()
  try {
    const server = await world.startOurs()
    const plan = {
      test: 'order' as const,
      shape: 'holdfast' as const,
      clients: 64,
      skus: [...world.skus],
    }
    const capacity = await load(world, server, { ...plan, seconds })
    const figures: Figure[] = [
      { name: 'capacity, 64 clients, closed loop', value: capacity.perSecond, unit: '1/s' },
    ]
    for (const share of [0.5, 0.8]) {
      const rate = Math.floor(capacity.perSecond * share)
      const found = await load(world, server, { ...plan, clients: 256, seconds: seconds * 2, rate })
      for (const [name, value] of [
        ['p50', found.p50],
        ['p99', found.p99],
        ['p99.9', found.p999],
      ] as const) {
        figures.push({ name: `${name} at ${share * 100} % (${rate} orders/s)`, value, unit: 'ms' })
      }
    }
    return figures
  } finally {
    await world.close()
  }
}
