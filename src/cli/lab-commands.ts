import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { z } from 'zod'
import { refuse, RefusedError } from '#kernel/index.ts'
import { addCommand, addGroup, wholeNumber } from './command.ts'
import type { Answer } from './command.ts'

/** How the lab says that it was stopped and has ended all that it started: 128 + SIGINT. */
const LAB_STOPPED = 130
// A process of its own, by its path: nothing of the product imports a world without guards.
const LAB = fileURLToPath(new URL('../../lab/main.ts', import.meta.url))

const labMessage = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('answer'),
    answer: z.object({ json: z.unknown(), text: z.string(), isBad: z.boolean() }),
  }),
  z.object({
    kind: z.literal('refused'),
    refusal: z.object({ code: z.string(), detail: z.string(), field: z.string().optional() }),
  }),
  z.object({ kind: z.literal('failed'), detail: z.string() }),
])

/** `lab list|run`. */
export function addLabCommands(program: Command): void {
  const group = addGroup(program, 'lab', 'replays over the wire, in a database of their own')
  addCommand(group, {
    usage: 'list',
    summary: 'the scenarios that there are',
    example: 'holdfast lab list',
    input: z.object({}),
    run: () => askLab({ verb: 'list' }),
  })
  addCommand(group, {
    usage: 'run <scenario>',
    summary:
      'replay a scenario in a world without guards and in ours, and print what was measured; exit 0 where ours held',
    example: 'holdfast lab run incident-2026-02-07',
    options: [['--seed <n>', 'draws the orders and the faults; the calibrated one where absent']],
    input: z.object({ scenario: z.string(), seed: wholeNumber(0, 4_294_967_294).optional() }),
    run: ({ scenario, seed }) =>
      askLab({ verb: 'run', scenario, ...(seed === undefined ? {} : { seed }) }),
  })
}

async function askLab(request: Readonly<Record<string, unknown>>): Promise<Answer> {
  const child = spawn(process.execPath, [LAB, JSON.stringify(request)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  // The lab ends what it started, then itself, and we wait. A terminal signals the whole group, so that
  // the lab may hear of it twice: only a second SIGINT would mean "at once".
  let isStopped = false
  const pass = (): void => {
    isStopped = true
    child.kill('SIGTERM')
  }
  process.on('SIGINT', pass).on('SIGTERM', pass)
  try {
    return await readAnswer(child, () => isStopped)
  } finally {
    process.off('SIGINT', pass).off('SIGTERM', pass)
  }
}

const STOPPED = 'Stopped before it was done; nothing of it is left.'
const CUT = 'Stopped at once: a process or a folder of it (holdfast-…, lab-…) may be left.'

async function readAnswer(child: ChildProcess, isStopped: () => boolean): Promise<Answer> {
  let said: unknown
  child.once('message', (message) => (said = message))
  await once(child, 'close')
  if (said === undefined && isStopped()) {
    const isClean = child.exitCode === LAB_STOPPED
    return {
      json: { stopped: true, clean: isClean },
      text: isClean ? STOPPED : CUT,
      isRefused: true,
    }
  }
  const message = labMessage.safeParse(said)
  if (!message.success) throw new Error(`the lab was stopped before it was done`)
  if (message.data.kind === 'failed') throw new Error(message.data.detail)
  if (message.data.kind === 'refused') {
    const { detail, field } = message.data.refusal
    throw new RefusedError(refuse('usage_invalid', detail, { field: field ?? 'scenario' }).refusal)
  }
  const { json, text, isBad } = message.data.answer
  return { json, text, isRefused: isBad }
}
