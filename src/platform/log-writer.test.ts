import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { droppedLogLines, openLogWriter } from './log-writer.ts'

test('a disk that is full costs lines, which are counted, and holds nobody up', async () => {
  const before = droppedLogLines()
  const writer = openLogWriter('/dev/full')
  writer.write('one\n')
  writer.write('two\n')
  await vi.waitFor(() => expect(droppedLogLines() - before).toBe(2), 10_000)
  writer.write('three\n')
  writer.flush()
  expect(droppedLogLines() - before).toBe(3)
})

test('a file that cannot be opened costs lines, and nothing else', () => {
  const before = droppedLogLines()
  const writer = openLogWriter('/proc/nowhere/holdfast.log')
  writer.write('one\n')
  writer.flush()
  expect(droppedLogLines() - before).toBe(1)
})

const PROGRAM = `
const { createLog } = await import(process.argv[1])
const { droppedLogLines } = await import(process.argv[2])
const log = createLog({ level: 'info' })
const text = 'x'.repeat(1000)
for (let line = 0; line < 20_000; line += 1) log.info({ line }, text)
await new Promise((resolve) => setTimeout(resolve, 300))
log.error({}, 'the last word')
log.flush()
process.stdout.write(String(droppedLogLines()), () => process.exit(3))`

const logInChild = (read: 'never' | 'all' | 'closed') => {
  const paths = ['log.ts', 'log-writer.ts'].map((name) =>
    fileURLToPath(new URL(name, import.meta.url)),
  )
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, ...paths], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  let logged = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  if (read === 'all') child.stderr.on('data', (chunk: Buffer) => (logged += chunk.toString()))
  if (read === 'closed') child.stderr.destroy()
  return once(child, 'exit').then(() => ({ code: child.exitCode, dropped: Number(said), logged }))
}

test('a reader that stands still holds nobody up: the process goes on, and ends', async () => {
  const { code, dropped } = await logInChild('never')
  expect(code).toBe(3)
  expect(dropped).toBeGreaterThan(10_000)
})

test('a reader that left holds nobody up either', async () => {
  const { code, dropped } = await logInChild('closed')
  expect([code, dropped]).toEqual([3, 20_001])
})

test('a reader that reads has the last line of a process that ends, and each dropped one is counted', async () => {
  const { code, dropped, logged } = await logInChild('all')
  expect(code).toBe(3)
  const lines = logged.trimEnd().split('\n')
  expect(lines.at(-1)).toContain('the last word')
  expect(lines.filter((one) => !one.includes('were dropped')).length + dropped).toBe(20_001)
})
