import { readdirSync, readFileSync } from 'node:fs'

/** A source file of ours; `path` is relative to the root, with forward slashes. */
export type SourceFile = { readonly path: string; readonly text: string }

/** Every `.ts` file below a folder, generated code left out. */
export function filesBelow(folder: string): readonly SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.ts') && !path.includes('/gen/'))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
}

/** Whether a file is there for tests alone. */
export function isTestFile(path: string): boolean {
  return path.startsWith('tests/') || path.endsWith('.test.ts') || path.endsWith('.fixture.ts')
}

/** What a file imports or re-exports, as written. */
export function importsOf(text: string): readonly string[] {
  const found = text.matchAll(/(?:^|\n)(?:import|export)\b[^'\n;]*(?:\n[^'\n;]*)*?'([^']+)'/g)
  const late = text.matchAll(/\bimport\(\s*'([^']+)'/g)
  return [...found, ...late]
    .filter((match) => /\bfrom\s*'[^']+'$|\bimport\s*\(?\s*'[^']+'$/.test(match[0]))
    .map((match) => match[1] ?? '')
}

/** The text without its comments. Good enough to look for words; not a parser. */
export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1')
}
