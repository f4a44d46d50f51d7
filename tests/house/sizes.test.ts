import { expect, test } from 'vitest'
import { filesBelow, isTestFile } from './source-files.ts'
import type { SourceFile } from './source-files.ts'

const LINES_MAX = 300
const TEST_LINES_MAX = 500
const MEDIAN_MAX = 120
const FOLDER_FILES_MAX = 45

const files = ['src', 'lab', 'tests', 'scripts'].flatMap(filesBelow)

test(`a file has at most ${LINES_MAX} lines, a test ${TEST_LINES_MAX}`, () => {
  expect(files.length).toBeGreaterThan(200)
  expect(tooLong(files)).toEqual([])
})

test(`half of the files have fewer than ${MEDIAN_MAX} lines`, () => {
  const lengths = files
    .filter(({ path }) => !isTestFile(path))
    .map(linesOf)
    .toSorted((a, b) => a - b)
  expect(lengths.length).toBeGreaterThan(150)
  expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThan(MEDIAN_MAX)
})

test('no folder is a heap', () => {
  const folders = Map.groupBy(files, ({ path }) => path.slice(0, path.lastIndexOf('/')))
  expect(folders.size).toBeGreaterThan(15)
  const heaps = [...folders].filter(([, own]) => own.length > FOLDER_FILES_MAX)
  expect(heaps.map(([folder, own]) => `${folder}: ${own.length} files`)).toEqual([])
})

test('the guard sees a file that is too long', () => {
  const text = 'x\n'.repeat(LINES_MAX + 1)
  expect(tooLong([{ path: 'src/orders/a.ts', text }])).toEqual(['src/orders/a.ts: 301 lines'])
  expect(tooLong([{ path: 'src/orders/a.test.ts', text }])).toEqual([])
})

function tooLong(looked: readonly SourceFile[]): readonly string[] {
  return looked
    .filter((file) => linesOf(file) > (isTestFile(file.path) ? TEST_LINES_MAX : LINES_MAX))
    .map((file) => `${file.path}: ${linesOf(file)} lines`)
}

function linesOf({ text }: SourceFile): number {
  return text.split('\n').length - 1
}
