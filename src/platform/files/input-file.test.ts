import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { readAll, tempFile } from '../../../tests/temp-file.ts'
import { readLines, withInputFile } from './index.ts'
import { readBytes } from './read-bytes.ts'

const unreadable = (detail: RegExp) => ({
  ok: false,
  refusal: { code: 'file_unreadable', detail: expect.stringMatching(detail) },
})

test.each([
  ['a device without an end', async () => '/dev/zero', /neither a regular file nor a pipe/],
  ['a folder', async () => '/', /is a folder/],
  ['a socket', socketPath, /neither a regular file nor a pipe/],
])('%s is refused at once', async (_, path, detail) => {
  const given = await path()
  expect(await readAll(readLines(given))).toMatchObject([unreadable(detail)])
  const read = withInputFile(given, (file) => readAll(readLines(file)))
  expect(await read).toMatchObject([unreadable(detail)])
})

async function socketPath(): Promise<string> {
  const path = `${await tempFile('')}.socket`
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  onTestFinished(() => void server.close())
  return path
}

test('a small gzip file that holds more empty lines than a file may is refused, not held', async () => {
  const path = await tempFile(gzipSync('\n'.repeat(100_000)))
  expect((await stat(path)).size).toBeLessThan(1_000)
  const limits = { linesMax: 1_000, recordsMax: 10 }
  const rows = await readAll(readLines(path, limits))
  expect(rows).toHaveLength(1_001)
  expect(rows.at(-1)).toMatchObject(unreadable(/holds more than 10 records and 1000 lines/))
})

test('records are bounded on their own: empty lines are none', async () => {
  const limits = { linesMax: 1_000, recordsMax: 3 }
  const three = await readAll(readLines(await tempFile('a\n\nb\n\n\nc\n'), limits))
  expect(three.every((one) => one.ok)).toBe(true)
  const four = await readAll(readLines(await tempFile('a\n\nb\n\n\nc\nd\n'), limits))
  expect(four.at(-1)).toMatchObject(unreadable(/more than 3 records/))
})

test('unpacked bytes are bounded, whatever the file weighs', async () => {
  const path = await tempFile(gzipSync(Buffer.alloc(2_000_000)))
  const read = async (): Promise<void> => {
    for await (const chunk of readBytes(path, 1_000_000)) expect(chunk.length).toBeGreaterThan(0)
  }
  await expect(read()).rejects.toMatchObject({ code: 'EFBIG' })
})

test('a pipe is kept in a file of its own, which can be read twice and is gone afterwards', async () => {
  const pipe = `${await tempFile('')}.pipe`
  execFileSync('mkfifo', [pipe])
  const written = writeFile(pipe, 'a\nb\n')
  let kept = ''
  const both = await withInputFile(pipe, async (path) => {
    kept = path
    return [await readFile(path, 'utf8'), await readFile(path, 'utf8')]
  })
  await written
  expect(both).toEqual(['a\nb\n', 'a\nb\n'])
  await expect(stat(kept)).rejects.toMatchObject({ code: 'ENOENT' })
})

const PROGRAM = `
const [index, path] = process.argv.slice(1)
const { withInputFile } = await import(index)
const { readFile } = await import('node:fs/promises')
try {
  process.stdout.write(await withInputFile(path, (file) => readFile(file, 'utf8')))
} catch (fault) {
  process.stdout.write(fault.message)
}`

const readInChild = async (path: string, input: string | undefined): Promise<string> => {
  const index = fileURLToPath(new URL('index.ts', import.meta.url))
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, index, path], {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stdin?.end(input)
  await once(child, 'close')
  return said
}

test('standard input is read where it is named, and only there', async () => {
  for (const name of ['-', '/dev/stdin'])
    expect(await readInChild(name, 'from a pipe')).toBe('from a pipe')
  const file = await tempFile('from the file')
  expect(await readInChild(file, 'from a pipe')).toBe('from the file')
  expect(await readInChild('-', undefined)).toMatch(/neither a regular file nor a pipe/)
})

test('a file that stands in the folder under the name - is read by its path', async () => {
  const folder = await tempFile('')
  const path = join(`${folder}.d`, '-')
  execFileSync('mkdir', [`${folder}.d`])
  onTestFinished(() => rm(`${folder}.d`, { recursive: true }))
  await writeFile(path, 'a file')
  expect(await withInputFile(path, (one) => readFile(one, 'utf8'))).toBe('a file')
})
