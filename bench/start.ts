import { mkdtemp, chmod, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { orThrow } from '#kernel/index.ts'
import { startEmbedded } from '#platform/embedded/index.ts'
import { median } from './figure.ts'
import type { Effort, Figure } from './figure.ts'

/** The embedded database: first start with initdb, and starting again. */
export async function start({ pairs }: Effort): Promise<readonly Figure[]> {
  const first: number[] = []
  const again: number[] = []
  for (let run = 0; run < pairs; run += 1) {
    const dataDir = await mkdtemp(join(tmpdir(), 'holdfast-start-'))
    await chmod(dataDir, 0o711)
    for (const times of [first, again]) {
      const begin = performance.now()
      const engine = orThrow(await startEmbedded({ dataDir }))
      times.push((performance.now() - begin) / 1_000)
      await engine.stop()
    }
    await rm(dataDir, { recursive: true, force: true })
  }
  const slowest = Math.max(...first)
  return [
    {
      name: 'embedded start, first',
      value: median(first),
      unit: 's',
      goal: '≤ 3 s',
      met: slowest <= 3,
    },
    {
      name: 'embedded start, again',
      value: median(again),
      unit: 's',
      goal: '≤ 3 s',
      met: Math.max(...again) <= 3,
    },
  ]
}
