import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createLog } from './log.ts'

const linesOf = (level: 'info' | 'warn', write: (log: ReturnType<typeof createLog>) => void) => {
  const file = join(mkdtempSync(join(tmpdir(), 'holdfast-log-')), 'log.ndjson')
  const log = createLog({ level, file })
  write(log)
  log.flush()
  return readFileSync(file, 'utf8')
}

test('a secret never reaches the log, at any depth', () => {
  const text = linesOf('info', (log) =>
    log.info(
      {
        authorization: 'Bearer s3cr3t',
        request: { headers: { cookie: 's3cr3t', Authorization: 's3cr3t' } },
        list: [{ webhook_secret: 's3cr3t', api_key: 's3cr3t', review_token: 's3cr3t' }],
        order_id: 'ord_1',
      },
      'served',
    ),
  )
  expect(text).not.toContain('s3cr3t')
  expect(JSON.parse(text)).toMatchObject({ level: 'info', msg: 'served', order_id: 'ord_1' })
})

test('a fault is logged with its stack', () => {
  const text = linesOf('info', (log) => log.error({ err: new Error('broken') }, 'failed'))
  expect(JSON.parse(text)).toMatchObject({ err: { message: 'broken' }, msg: 'failed' })
  expect(text).toContain('log.test.ts')
})

test('lines below the level are not written', () => {
  expect(linesOf('warn', (log) => log.info({}, 'quiet'))).toBe('')
})
