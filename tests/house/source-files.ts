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

/**
 * What a file imports or re-exports, as written, each once. Any string that begins as the name of a
 * folder of `src` counts, however it is loaded.
 */
export function importsOf(text: string): readonly string[] {
  const targets = [
    ...text.matchAll(/\b(?:from|import)\s*\(?\s*(['"`])([^'"`\n]+)\1/g),
    ...text.matchAll(/(['"`])(#[a-z]+\/[^'"`\n]*)\1/g),
  ]
  return [...new Set(targets.map((match) => match[2] ?? ''))]
}

/** The text without its comments. Good enough to look for words; not a parser. */
export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1')
}
