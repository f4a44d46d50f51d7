import type { Refusal } from '#kernel/index.ts'
import type { Answer } from './command.ts'

/** Prints an answer on standard output and its refusals on standard error. */
export function printAnswer(answer: Answer, asJson: boolean): void {
  for (const refusal of answer.refusals ?? []) process.stderr.write(`${refusalLine(refusal)}\n`)
  const text = asJson && 'json' in answer ? JSON.stringify(answer.json, undefined, 2) : answer.text
  if (text !== '') process.stdout.write(`${text}\n`)
}

/** `code: line 12, lines[0].qty: what is wrong`. */
export function refusalLine({ code, detail, line, field }: Refusal): string {
  const where = [
    line === undefined ? [] : [`line ${line}`],
    field === undefined ? [] : [field],
  ].flat()
  return [code, ...(where.length > 0 ? [where.join(', ')] : []), detail].join(': ')
}
