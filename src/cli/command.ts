import { Command } from 'commander'
import type { Option } from 'commander'
import { z } from 'zod'
import { invariant, refuse, RefusedError } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import { printAnswer } from './print-answer.ts'

/** What a command found: the same facts as JSON and as text for a person. */
export type Answer = {
  /** Absent where the command itself wrote what was asked for on standard output. */
  readonly json?: unknown
  readonly text: string
  /** True where something was refused or a check failed: the exit code is 1. */
  readonly isRefused?: boolean
  /** True where the rest was done as asked although some was refused: the exit code is 3. */
  readonly isPartial?: boolean
  /** Told on standard error, one a line. */
  readonly refusals?: readonly Refusal[]
  /** True where the process goes on (`up`, `serve`) after the answer. */
  readonly staysUp?: boolean
}

/** One command: its words, an example that works as it stands, and what it takes. */
export type CommandSpec<T> = {
  /** Name and arguments as commander reads them: `show <id>`. */
  readonly usage: string
  readonly alias?: string
  readonly summary: string
  readonly example: string
  /** Flags and what they mean: `['--limit <n>', 'how many']`. */
  readonly options?: readonly (readonly [flags: string, means: string])[]
  /** Checks arguments and options together, by name; what it refuses is wrong usage (exit 2). */
  readonly input: z.ZodType<T>
  readonly run: (input: T) => Promise<Answer>
}

const examples = new WeakMap<Command, string>()

/** The example of a command, for its help and for `docs/reference/cli.md`. */
export function exampleOf(command: Command): string | undefined {
  return examples.get(command)
}

/** A group of commands: `orders`, `stock`. Without a subcommand it shows its help and exits with 2. */
export function addGroup(parent: Command, name: string, summary: string): Command {
  return parent.command(name).description(summary)
}

/** Adds a command. Every command takes `--json` and shows its example in its help. */
export function addCommand<T>(parent: Command, spec: CommandSpec<T>): void {
  const command = parent.command(spec.usage).description(spec.summary)
  if (spec.alias) command.alias(spec.alias)
  for (const [flags, means] of spec.options ?? []) command.option(flags, means)
  command.option('--json', 'print one JSON document instead of text')
  command.addHelpText('after', `\nExample:\n  $ ${spec.example}`)
  examples.set(command, spec.example)
  command.action(async () => {
    const answer = await spec.run(readInput(command, spec.input))
    printAnswer(answer, command.opts()['json'] === true)
    process.exitCode = answer.isRefused ? 1 : answer.isPartial ? 3 : 0
    staysUp ||= answer.staysUp ?? false
  })
}

let staysUp = false

/** True once a command has begun something that outlives its answer. */
export function isStayingUp(): boolean {
  return staysUp
}

function readInput<T>(command: Command, input: z.ZodType<T>): T {
  const given: Record<string, unknown> = { ...command.opts() }
  for (const [index, argument] of command.registeredArguments.entries()) {
    given[argument.name()] = command.processedArgs[index]
  }
  const parsed = input.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  invariant(issue, 'a refused input has an issue')
  const name = String(issue.path[0] ?? '')
  const option = command.options.find((one) => one.attributeName() === name)
  if (option && given[name] === undefined) {
    throw new RefusedError(refuse('usage_invalid', missingOption(option, issue.message)).refusal)
  }
  const isArgument = command.registeredArguments.some((one) => one.name() === name)
  const field = isArgument
    ? name
    : `--${name.replaceAll(/[A-Z]/g, (one) => `-${one.toLowerCase()}`)}`
  throw new RefusedError(refuse('usage_invalid', issue.message, { field }).refusal)
}

// The schema of a needed option says what it is for (`says why`); without such words its help does.
function missingOption({ flags, description }: Option, message: string): string {
  const means = message.startsWith('Invalid input') ? `: ${description}` : `: it ${message}`
  return `${flags.replace(/^-\w, /, '')} is needed${means}.`
}

/** A whole number within bounds, given as text. */
export const wholeNumber = (min: number, max: number) =>
  z
    .string(`a whole number, ${min} to ${max}`)
    .regex(/^-?\d{1,15}$/, `a whole number, ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `a whole number, ${min} to ${max}`)

/** `--limit`, 1 to 1,000; 20 where it is not given. */
export const limitOption = wholeNumber(1, 1_000).default(20)
