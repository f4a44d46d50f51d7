import { appendFileSync } from 'node:fs'

/** Keeps one measured figure where `npm run docs:reliability` collects them; otherwise only says it. */
export function recordFigure(kind: string, figure: Readonly<Record<string, unknown>>): void {
  const line = JSON.stringify({ kind, ...figure })
  console.info(line)
  const file = process.env['RELIABILITY_FILE']
  if (file !== undefined && file !== '') appendFileSync(file, `${line}\n`)
}
