import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { RefusedError } from '#kernel/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { stockShop, TEST_MASTER_KEY } from '../../tests/shop.ts'
import { tempFile } from '../../tests/temp-file.ts'
import { runCli, startCli } from './cli.fixture.ts'
import { refusalLine } from './print-answer.ts'
import { holdfastProgram } from './program.ts'

let db: TestDatabase
let folder: string
let settings: Record<string, string>
beforeAll(async () => {
  db = await createTestDatabase()
  await stockShop(await createTestContext(db.database), { A: 50_000, LAST: 10_000 })
  folder = await mkdtemp(join(tmpdir(), 'holdfast-cli-'))
  const keyFile = join(folder, 'master.key')
  await writeFile(keyFile, TEST_MASTER_KEY)
  settings = {
    HOLDFAST_DATABASE_URL: db.runtimeUrl,
    HOLDFAST_MASTER_KEY_FILE: keyFile,
    HOLDFAST_DATA_DIR: join(folder, 'unused'),
    HOLDFAST_GRPC_PORT: '1',
  }
})
afterAll(async () => {
  await db.drop()
  await rm(folder, { recursive: true, force: true })
})

const run = (...args: readonly string[]) => runCli(args, settings)
const json = async (...args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await run(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}
const order = (id: string, changes: object = {}) =>
  JSON.stringify({
    order_id: id,
    customer: 'c',
    country: 'GB',
    currency: 'GBP',
    lines: [{ sku: 'A', qty: 1, unit_price_minor: 500 }],
    ...changes,
  })
const placed = async (): Promise<number> => {
  const { rows } = await db.database.pool.query<{ n: number }>(
    'select count(*)::int as n from orders."order"',
  )
  return rows[0]?.n ?? 0
}

describe('where there is no database', () => {
  test.each([
    ['a question', ['status']],
    ['an import', ['import', 'orders', 'orders.ndjson']],
    ['a fence', ['db', 'fence', '--reason', 'r']],
    ['a role', ['serve', '--roles', 'web']],
  ])('%s is refused, and makes none', async (_, args) => {
    const empty = join(folder, 'empty')
    const { code, stdout, stderr } = await runCli(args, { HOLDFAST_DATA_DIR: empty })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^database_unavailable: There is no database in /)
    expect(existsSync(empty)).toBe(false)
  })

  test.each([
    ['a file system without folders', '/proc/holdfast'],
    ['a path below a file', `${import.meta.filename}/data`],
  ])('%s is no place to make one', async (_, dataDir) => {
    const { code, stderr } = await runCli(['up'], { HOLDFAST_DATA_DIR: dataDir })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^database_unavailable: The data directory cannot be used: /)
  })
})

describe('wrong usage', () => {
  test.each([
    ['a command that nobody has', ['fly'], 'unknown command'],
    ['an option that nobody has', ['orders', 'list', '--colour', 'red'], 'unknown option'],
    ['a limit that is no number', ['orders', 'list', '--limit', 'all'], '--limit'],
  ])('exits with 2 and says why for %s', async (_, args, words) => {
    const { code, stdout, stderr } = await run(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^usage_invalid: /)
    expect(stderr).toContain(words)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })

  test.each([
    ['a verdict that is none', ['orders', 'decide', 'x', 'maybe', '--reason', 'r'], 'verdict'],
    ['no reason', ['orders', 'cancel', 'x'], '--reason'],
    ['a scope that is none', ['api-keys', 'create', 'k', '--scopes', 'all'], '--scopes'],
    ['a role that is none', ['serve', '--roles', 'web,cook'], '--roles'],
    ['a state that is none', ['dispatches', 'list', '--state', 'lost'], '--state'],
    ['a limit above the largest', ['audit', 'list', '--limit', '1001'], '--limit'],
    ['no quantity', ['stock', 'count', '--id', 'c', '--sku', 'A', '--location', 'l'], '--quantity'],
    ['an answer that is none', ['dispatches', 'resolve', 'd', 'maybe', '--note', 'n'], 'outcome'],
    ['no word of the partner', ['dispatches', 'resolve', 'd', 'received'], '--note'],
    ['no number of orders', ['generate', 'orders'], '--count'],
  ])('is told by name, before anything is opened: %s', async (_, args, field) => {
    const parsing = holdfastProgram().parseAsync(['node', 'holdfast', ...args])
    const fault: unknown = await parsing.catch((thrown: unknown) => thrown)
    const line = fault instanceof RefusedError ? refusalLine(fault.refusal) : String(fault)
    expect(line).toMatch(/^usage_invalid: /)
    expect(line).toContain(field)
  })

  test.each([
    [['orders', 'cancel', 'x'], '--reason <text> is needed: it says why.'],
    [['api-keys', 'create', 'k'], '--scopes <names> is needed: it names what the key may do.'],
    [['generate', 'orders'], '--count <n> is needed: '],
  ])('%j says which option is needed, and what for', async (args, words) => {
    const parsing = holdfastProgram().parseAsync(['node', 'holdfast', ...args])
    await expect(parsing).rejects.toThrow(`usage_invalid: ${words}`)
  })

  test('a group alone shows its commands and exits with 2', async () => {
    const { code, stderr } = await run('orders')
    expect(code).toBe(2)
    expect(stderr).toContain('show [options] <id>')
  })

  test('help exits with 0 and shows an example', async () => {
    const { code, stdout } = await run('import', 'orders', '--help')
    expect(code).toBe(0)
    expect(stdout).toContain('$ holdfast import orders orders.ndjson.gz')
  })
})

describe('refusals', () => {
  test.each([
    ['an order that is not there', ['orders', 'show', 'nope'], /^order_unknown: No order nope\.$/],
    ['a flag that is not there', ['flags', 'get', 'nope'], /^flag_unknown: /],
    [
      'a file that is not there',
      ['import', 'orders', '/nope'],
      /^file_unreadable: \/nope does not/,
    ],
    [
      'an address that is not safe',
      ['partners', 'add', 'p', '--url', 'http://10.0.0.1'],
      /^body_invalid: url: /,
    ],
    ['a key that is not there', ['api-keys', 'revoke', 'key_x'], /^api_key_unknown: /],
  ])('exit with 1 and `code: detail`, never a stack trace: %s', async (_, args, said) => {
    const { code, stderr } = await run(...args)
    expect(code).toBe(1)
    expect(stderr.trim()).toMatch(said)
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  test('a wrong environment names every problem before anything is opened', async () => {
    const { code, stderr } = await runCli(['status'], {
      HOLDFAST_HTTP_PROT: '1',
      HOLDFAST_HOST: '',
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^config_invalid: /)
    expect(stderr).toContain('HOLDFAST_HOST')
    expect(stderr).toContain('nearest is HOLDFAST_HTTP_PORT')
  })

  test('a database that does not answer is told without its address', async () => {
    const away = { ...settings, HOLDFAST_DATABASE_URL: 'postgres://u:secret@127.0.0.1:1/none' }
    const { code, stderr } = await runCli(['status'], away)
    expect(code).toBe(1)
    expect(stderr).toMatch(/^database_(schema|unavailable): /)
    expect(stderr).not.toContain('secret')
  })

  test('a bad row names line and field, exits with 1 and places nothing', async () => {
    const before = await placed()
    const path = await tempFile(`${order('bad-1')}\n${order('bad-2', { currency: 'pounds' })}\n`)
    const { code, stdout, stderr } = await run('import', 'orders', path)
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'Nothing was imported: 1 bad row.\n' })
    expect(stderr).toBe('row_invalid: line 2, currency: ISO 4217\n')
    expect(await placed()).toBe(before)
    const skipped = await run('import', 'orders', path, '--skip-bad')
    expect(skipped.code).toBe(3)
    expect(skipped.stdout).toContain('Bad rows passed over: 1.')
    expect(await placed()).toBe(before + 1)
  })
})

describe('an order', () => {
  test('is imported, listed, shown, and not decided while fulfillment does not answer', async () => {
    const path = await tempFile(`${order('life-1', { country: 'FR' })}\n`)
    expect(await json('import', 'orders', path)).toMatchObject({ kind: 'done', placed: 1, held: 1 })
    expect(await json('orders', 'list', '--verdict', 'hold', '--limit', '1')).toMatchObject({
      orders: [{ reference: 'life-1', verdict: 'hold', reasons: ['country'] }],
    })
    // Nobody serves fulfillment here: a decision is refused, a cancellation is kept and carried out later.
    const decided = await run('orders', 'decide', 'life-1', 'clear', '--reason', 'called')
    expect(decided).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('fulfillment_unavailable'),
    })
    expect(await json('orders', 'cancel', 'life-1', '--reason', 'buyer')).toMatchObject({
      state: 'requested',
    })
    expect(await json('orders', 'show', 'life-1')).toMatchObject({
      order: { reference: 'life-1', state: 'placed' },
      decisions: [{ number: 1 }],
      events: [{ kind: 'order.placed' }],
      fulfillment: { fulfillments: [] },
    })
    const { stdout } = await run('orders', 'show', 'life-1')
    expect(stdout).toMatch(/reference life-1/)
    expect(stdout).toMatch(/decision 1: hold/)
  })

  test('is imported once, however often the import is killed', async () => {
    const first = Array.from({ length: 1_500 }, (_, index) => order(`kill-${index}`))
    const last = Array.from({ length: 500 }, (_, index) =>
      order(`kill-last-${index}`, { lines: [{ sku: 'LAST', qty: 1, unit_price_minor: 500 }] }),
    )
    const path = await tempFile([...first, ...last].join('\n'))
    const before = await placed()
    // The stock row of LAST is locked here: the import stands still once it comes to it.
    const lock = await db.database.pool.connect()
    await lock.query('begin')
    await lock.query(`select from inventory.stock where sku = 'LAST' for update`)
    const { child, ended } = startCli(['import', 'orders', path], settings)
    // Batches overlap and wait for each other too: this one stands after orders that are placed.
    await vi.waitFor(
      async () => {
        expect(await placed()).toBeGreaterThan(before)
        expect(await waiting()).toBeGreaterThan(0)
      },
      { timeout: 30_000, interval: 50 },
    )
    child.kill('SIGKILL')
    await ended
    await lock.query('rollback')
    lock.release()
    const done = await placed()
    expect(done).toBeLessThan(before + 2_000)
    const known = done - before
    // An import that takes its time tells of its progress on standard error.
    const again = async (): Promise<unknown> =>
      JSON.parse((await run('import', 'orders', path, '--json')).stdout)
    expect(await again()).toMatchObject({ known, placed: 2_000 - known })
    expect(await again()).toMatchObject({ known: 2_000, placed: 0 })
    expect(await json('verify')).toMatchObject({ ok: true })
  })

  async function waiting(): Promise<number> {
    const { rows } = await db.database.pool.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows[0]?.n ?? 0
  }
})

describe('the other commands', () => {
  test('a dispatch that nobody knows cannot be answered', async () => {
    const { code, stderr } = await run('dispatches', 'resolve', 'dsp_x', 'recall', '--note', 'n')
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'dispatch_unknown: No dispatch dsp_x.\n' })
  })

  test('verify lists what is broken and exits with 1', async () => {
    const broken = await createTestDatabase()
    try {
      await broken.database.pool.query(
        `insert into inventory.location values ('main', 'l', 'l', 1)`,
      )
      await broken.database.pool.query(
        `insert into inventory.stock (merchant_id, sku, location_id, on_hand, available) values ('main', 'X', 'l', 3, 3)`,
      )
      const { code, stdout } = await runCli(['verify'], {
        ...settings,
        HOLDFAST_DATABASE_URL: broken.runtimeUrl,
      })
      expect(code).toBe(1)
      expect(stdout).toMatch(/^FAIL {2}every stock counter equals the sum of its ledger$/m)
      expect(stdout).toContain('X at l: counter 3/0 ledger 0/0')
    } finally {
      await broken.drop()
    }
  })

  test('partners are added with a location and their secrets shown once', async () => {
    const add = ['partners', 'add', 'newco', '--url', 'https://api.newco.example'] as const
    expect(await json(...add)).toMatchObject({
      was_new: true,
      partner: { id: 'newco', location_id: 'loc-newco', grade: 'D' },
      secrets: { dispatch: expect.stringMatching(/^whsec_/) },
    })
    const again = await json(...add)
    expect(again).toMatchObject({ was_new: false })
    expect(again).not.toHaveProperty('secrets')
    expect(await json('partners', 'list')).toMatchObject({ partners: [{ id: 'newco' }] })
    const counted = [
      'stock',
      'count',
      '--id',
      'c-1',
      '--sku',
      'A',
      '--location',
      'loc-newco',
      '--quantity',
      '7',
    ] as const
    expect(await json(...counted)).toMatchObject({ recorded: 1, known: 0 })
    expect(await json(...counted)).toMatchObject({ recorded: 0, known: 1 })
  })

  test('a person pauses the lane of a partner and opens it again, audited by name', async () => {
    await json('partners', 'add', 'pausing', '--url', 'https://api.pausing.example')
    const pausedAt = async () => {
      const listed = z
        .object({ partners: z.array(z.object({ id: z.string(), paused_at: z.unknown() })) })
        .parse(await json('partners', 'list'))
      return listed.partners.find((one) => one.id === 'pausing')?.paused_at
    }
    await json('partners', 'pause', 'pausing', '--reason', 'stock-taking')
    expect(await pausedAt()).toEqual(expect.any(String))
    await json('partners', 'resume', 'pausing', '--reason', 'counted')
    expect(await pausedAt()).toBeNull()
    expect(await json('audit', 'list', '--limit', '1')).toMatchObject({
      entries: [{ action: 'partner.resume', actor: `cli:${userInfo().username}` }],
    })
    const unknown = await run('partners', 'resume', 'nobody', '--reason', 'x')
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('partner_unknown') })
  })

  test('flags are set with a reason and read back', async () => {
    const set = ['flags', 'set', 'batch_retry_enabled', 'off', '--reason', 'test'] as const
    expect(await json(...set)).toMatchObject({ value: false, changed: true })
    expect(await json('flags', 'get', 'batch_retry_enabled')).toMatchObject({
      value: false,
      safe: true,
      reason: 'test',
      actor: `cli:${userInfo().username}`,
    })
    const unsafe = await run('flags', 'set', 'idempotency_key_format_v2', 'on', '--reason', 'r')
    expect(unsafe).toMatchObject({ code: 1, stderr: expect.stringMatching(/^flag_refused: /) })
  })

  test('an API key is shown once and revoked for ever', async () => {
    const { stdout } = await run(
      'api-keys',
      'create',
      'shop',
      '--scopes',
      'orders:submit,orders:read',
    )
    const [id = '', key] = stdout.trim().split('\n')
    expect(key).toMatch(/^hfk_/)
    expect((await run('api-keys', 'list', '--json')).stdout).not.toContain(key)
    expect(await json('api-keys', 'revoke', id)).toEqual({ id, revoked: true })
    expect(await json('api-keys', 'list')).toMatchObject({
      api_keys: [{ id, name: 'shop', revoked_at: expect.any(String) }],
    })
  })

  test('a generated shop can be imported whole', async () => {
    const catalog = await tempFile('', 'catalog.csv.gz')
    const orders = await tempFile('', 'orders.ndjson.gz')
    const shop = ['--count', '40', '--seed', '5', '--output'] as const
    await json('generate', 'catalog', ...shop, catalog)
    await json('generate', 'orders', ...shop, orders)
    expect(await json('import', 'catalogue', catalog)).toMatchObject({ kind: 'done' })
    expect(await json('import', 'orders', orders)).toMatchObject({ placed: 40, refused: 0 })
  })

  test('status, dispatches and a console login answer in JSON', async () => {
    expect(await json('status')).toMatchObject({ stages: expect.any(Array) })
    expect(await json('dispatches', 'list', '--state', 'unknown')).toEqual({ dispatches: [] })
    expect(await json('console', 'login', '--role', 'viewer')).toMatchObject({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:4000\/console\/login\?token=/),
    })
  })
})
