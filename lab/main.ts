// The lab's own process: `holdfast lab` starts it, and nothing of the product imports it.
import { z } from 'zod'
import { invariant, orThrow, RefusedError, refuse } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import { createShutdown, shutdownOnSignals, silentLog } from '#platform/index.ts'
import { SCENARIOS } from './scenarios.ts'
import type { LabAnswer } from './scenarios.ts'

/** What the parent reads, once: the answer, or why there is none. */
export type LabMessage =
  | { readonly kind: 'answer'; readonly answer: LabAnswer }
  | { readonly kind: 'refused'; readonly refusal: Pick<Refusal, 'code' | 'detail' | 'field'> }
  | { readonly kind: 'failed'; readonly detail: string }

const request = z.discriminatedUnion('verb', [
  z.object({ verb: z.literal('list') }),
  z.object({ verb: z.literal('run'), scenario: z.string(), seed: z.int().optional() }),
])

const shutdown = createShutdown({ log: silentLog })
let isStopped = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (isStopped = true))
shutdownOnSignals(shutdown, () => process.exit(1))
// Whoever asked is gone: nobody reads the answer, and nothing of ours may stay.
process.once(
  'disconnect',
  () => void shutdown.run('the parent is gone').then(() => process.exit(1)),
)

const message = await answered()
const isClean = await shutdown.run('done')
// What a stopped run still says is about its ruins.
if (isStopped) process.exit(1)
const told: LabMessage = isClean
  ? message
  : { kind: 'failed', detail: 'a part of the lab did not stop in time' }
invariant(process.connected, 'the lab is started by holdfast lab')
process.send?.(told, () => process.exit(0))

async function answered(): Promise<LabMessage> {
  try {
    return {
      kind: 'answer',
      answer: await answer(request.parse(JSON.parse(process.argv[2] ?? ''))),
    }
  } catch (fault) {
    if (fault instanceof RefusedError) return { kind: 'refused', refusal: fault.refusal }
    return { kind: 'failed', detail: fault instanceof Error ? fault.message : String(fault) }
  }
}

async function answer(asked: z.infer<typeof request>): Promise<LabAnswer> {
  if (asked.verb === 'list') {
    const rows = SCENARIOS.map(({ name, summary }) => ({ name, summary }))
    return {
      json: { scenarios: rows },
      text: rows.map(({ name, summary }) => `${name}  ${summary}`).join('\n'),
      isBad: false,
    }
  }
  const scenario = SCENARIOS.find(({ name }) => name === asked.scenario)
  if (!scenario) {
    const known = SCENARIOS.map(({ name }) => name).join(', ')
    return orThrow(
      refuse('usage_invalid', `No such scenario; there is ${known}.`, { field: 'scenario' }),
    )
  }
  const say = (line: string): void => void process.stderr.write(`lab: ${line}\n`)
  return scenario.run({ seed: asked.seed ?? scenario.seed, say }, shutdown)
}
