// The lab's own process: `holdfast lab` starts it, and nothing of the product imports it.
import { z } from 'zod'
import { invariant, orThrow, RefusedError, refuse } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import { createShutdown, silentLog } from '#platform/index.ts'
import { SCENARIOS } from './scenarios.ts'
import { LAB_STOP_MAX_MS } from './stop-time.ts'
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

/** Stopped, and all that was started has ended: 128 + SIGINT, as `holdfast lab` takes it. */
const LAB_STOPPED = 130
/** The longest wait, in milliseconds, for a run whose world was taken away to notice it. */
const NOTICE_MAX_MS = 30_000

const shutdown = createShutdown({ log: silentLog, deadlineMs: LAB_STOP_MAX_MS })
const stop = async (reason: string): Promise<void> => {
  setTimeout(() => process.exit(1), NOTICE_MAX_MS)
  await shutdown.run(reason)
  // What it was just starting is registered when it notices, and ended then.
  await answering
  process.exit((await shutdown.run(reason)) ? LAB_STOPPED : 1)
}
let isStopped = false
let interrupts = 0
const stopOnce = (reason: string): void => {
  if (reason === 'SIGINT') interrupts += 1
  // Whoever presses Ctrl-C twice means it. The SIGTERM of our parent may come before the first or after it.
  if (interrupts > 1) process.exit(1)
  if (!isStopped) void stop(reason)
  isStopped = true
}
process.on('SIGINT', stopOnce).on('SIGTERM', stopOnce).on('SIGHUP', stopOnce)
// A terminal that is closed, a reader that leaves: what is said is lost then, and nothing else.
process.stderr.on('error', () => undefined)
// Whoever asked is gone: nobody reads the answer, and nothing of ours may stay.
process.once('disconnect', () => stopOnce('the parent is gone'))

// Begun when whatever could stop it is heard.
const answering = answered()
const message = await answering
// What a stopped run still says is about its ruins.
if (!isStopped) {
  const isClean = await shutdown.run('done')
  const told: LabMessage = isClean
    ? message
    : { kind: 'failed', detail: 'a part of the lab did not stop in time' }
  invariant(process.connected, 'the lab is started by holdfast lab')
  process.send?.(told, () => process.exit(0))
}

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
