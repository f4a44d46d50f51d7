import type { Argument, Command, Option } from 'commander'
import { exampleOf } from '../src/cli/command.ts'

/** The command tree as Markdown: `docs/reference/cli.md`. */
export function cliPage(program: Command): string {
  const commands = leavesOf(program)
  return [
    '# Command line',
    '',
    'In a checkout: `npx holdfast`. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 done but for',
    'rows that `--skip-bad` passed over or that were refused one by one. Errors go to standard error as `code: where: what is wrong`; the codes are those of [errors.md](errors.md).',
    'Without `HOLDFAST_DATABASE_URL` a command works on the database of the running `holdfast up`, or',
    'starts the embedded one for as long as it runs. It acts as `cli:` and the name of the user.',
    '',
    ...commands.flatMap(section),
  ].join('\n')
}

/** Every command that does something, in the order of the help. */
export function leavesOf(command: Command): readonly Command[] {
  return command.commands.flatMap((one) => (one.commands.length > 0 ? leavesOf(one) : [one]))
}

function section(command: Command): readonly string[] {
  const alias = command.aliases().map((name) => ` Also \`${name}\`.`)
  return [
    `## ${usageOf(command)}`,
    '',
    `${sentence(command.description())}${alias.join('')}`,
    '',
    '| option | means |',
    '|---|---|',
    ...command.options.map(
      (option: Option) => `| \`${option.flags}\` | ${cell(option.description)} |`,
    ),
    '',
    '```sh',
    exampleOf(command) ?? '',
    '```',
    '',
  ]
}

function usageOf(command: Command): string {
  const names: string[] = []
  for (let at: Command | null = command; at; at = at.parent) names.unshift(at.name())
  const taken = command.registeredArguments.map((one: Argument) =>
    one.required ? `<${one.name()}>` : `[${one.name()}]`,
  )
  return `\`${[...names, ...taken].join(' ')}\``
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
