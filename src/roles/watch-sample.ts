import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from '#platform/index.ts'
import { readStats } from './read-stats.ts'

const LOOK_EVERY_MS = 250
const LOOKS_MAX = 240

/** Tells how the sample orders came out, once nothing moves any more, at most a minute later. */
export async function watchSample(
  context: Context,
  say: (line: string) => void,
  stopping: AbortSignal,
): Promise<void> {
  for (let look = 0; look < LOOKS_MAX && !stopping.aborted; look += 1) {
    const { stages } = await readStats(context)
    const count = (id: string): number => stages.find((stage) => stage.id === id)?.count ?? 0
    const moving = count('awaiting_handover') + count('open') + count('sealed') + count('accepted')
    if (moving === 0) {
      say(
        `Sample shop  ${count('placed')} orders placed, ${count('held')} parcels held for review, ${count('shipped')} shipped`,
      )
      return
    }
    await pause(LOOK_EVERY_MS)
  }
}
