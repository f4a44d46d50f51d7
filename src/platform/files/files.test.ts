import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { asyncProperty, array, assert as check, boolean, constantFrom, string } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readAll, tempFile } from '../../../tests/temp-file.ts'
import { checkRows, LINE_BYTES_MAX, readCsv, readLines, REFUSALS_KEPT_MAX } from './index.ts'

const text = (value: string) => value.replaceAll(/[\r\n]/g, '')

describe('lines', () => {
  test('every line comes back with its number, plain or gzip, whatever ends it', async () => {
    await check(
      asyncProperty(
        array(string({ unit: 'grapheme' }).map(text)),
        constantFrom('\n', '\r\n'),
        boolean(),
        async (lines, end, isGzip) => {
          const bytes = Buffer.from(lines.map((line) => `${line}${end}`).join(''))
          const path = await tempFile(isGzip ? gzipSync(bytes) : bytes)
          expect(await readAll(readLines(path))).toEqual(
            lines.map((line, index) => ({ ok: true, value: { line: index + 1, text: line } })),
          )
        },
      ),
      { numRuns: 40 },
    )
  })

  test('a line longer than a chunk of the file is whole', async () => {
    const long = 'x'.repeat(700_000)
    const path = await tempFile(`${long}\n${long}y`)
    const rows = await readAll(readLines(path))
    expect(rows.map((row) => row.ok && row.value.text.length)).toEqual([700_000, 700_001])
  })

  test('a line beyond 2 MiB is refused by number and the next one follows', async () => {
    const path = await tempFile(`a\n${'x'.repeat(LINE_BYTES_MAX + 1)}\nb\n`)
    expect(await readAll(readLines(path))).toMatchObject([
      { ok: true, value: { line: 1 } },
      { ok: false, refusal: { code: 'row_invalid', line: 2 } },
      { ok: true, value: { line: 3, text: 'b' } },
    ])
  })

  test('a line that is not UTF-8 is refused by number and the next one follows', async () => {
    const path = await tempFile(Buffer.from([0x61, 0x0a, 0xc3, 0x28, 0x0a, 0x62]))
    expect(await readAll(readLines(path))).toMatchObject([
      { ok: true },
      {
        ok: false,
        refusal: { code: 'row_invalid', line: 2, detail: expect.stringMatching(/UTF-8/) },
      },
      { ok: true, value: { line: 3, text: 'b' } },
    ])
  })

  test('a line with a NUL byte is refused by number, since no row can hold it', async () => {
    const path = await tempFile('a\nb\0c\nd')
    expect(await readAll(readLines(path))).toMatchObject([
      { ok: true },
      { ok: false, refusal: { code: 'row_invalid', line: 2 } },
      { ok: true, value: { line: 3, text: 'd' } },
    ])
  })

  test('a byte order mark is dropped before line 1 and nowhere else', async () => {
    const path = await tempFile('\uFEFFa\n\uFEFFb\n')
    const rows = await readAll(readLines(path))
    expect(rows.map((row) => row.ok && row.value.text)).toEqual(['a', '\uFEFFb'])
  })

  test.each([
    ['ends too early', (bytes: Buffer) => bytes.subarray(0, bytes.length - 20)],
    ['damaged', (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 30), Buffer.alloc(400, 0xff)])],
  ])('a gzip file is refused that is %s', async (words, damage) => {
    const lines = Array.from({ length: 5_000 }, (_, index) => `${index * 7_919}\n`).join('')
    const path = await tempFile(damage(gzipSync(lines)))
    const last = (await readAll(readLines(path))).at(-1)
    expect(last).toMatchObject({ ok: false, refusal: { code: 'file_unreadable' } })
    expect(last?.ok === false && last.refusal.detail).toContain(words)
  })

  test('a path that leads to no file is refused', async () => {
    const file = await tempFile('a')
    for (const path of ['/nowhere/orders', tmpdir(), join(file, 'b'), 'n'.repeat(5_000)]) {
      expect(await readAll(readLines(path))).toMatchObject([
        { ok: false, refusal: { code: 'file_unreadable' } },
      ])
    }
  })
})

test('a pipe is refused, since it cannot be read again after a check', async () => {
  const path = `${await tempFile('')}.pipe`
  execFileSync('mkfifo', [path])
  const written = writeFile(path, 'a\n').catch(() => undefined)
  expect(await readAll(readLines(path))).toMatchObject([
    { ok: false, refusal: { code: 'file_unreadable', detail: expect.stringMatching(/pipe/) } },
  ])
  await written
})

describe('CSV', () => {
  const quoted = (field: string) => `"${field.replaceAll('"', '""')}"`
  const cell = string({ unit: constantFrom('a', '"', ',', '\n', 'é', ' ') })

  test('every table comes back from RFC 4180, each record with the line where it begins', async () => {
    await check(
      asyncProperty(array(array(cell, { minLength: 3, maxLength: 3 })), async (table) => {
        const records = table.map((row) => row.map(quoted).join(','))
        const path = await tempFile(['a,b,c', ...records, ''].join('\r\n'))
        let line = 2
        const expected = table.map((row, index) => {
          const begun = line
          line += (records[index] ?? '').split('\n').length
          return { ok: true, value: { line: begun, fields: { a: row[0], b: row[1], c: row[2] } } }
        })
        expect(await readAll(readCsv(path, ['a', 'b']))).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })

  test.each([
    ['fewer fields than columns', 'a,b\n1\n3,4\n', { code: 'row_invalid', line: 2 }],
    ['a quote in a plain field', 'a,b\n1,2"3"\n3,4\n', { code: 'row_invalid', line: 2 }],
    ['text after a quoted field', 'a,b\n"1"x,2\n3,4\n', { code: 'row_invalid', line: 2 }],
  ])(
    'a record is refused by line that has %s, and the next one follows',
    async (_, csv, refusal) => {
      const path = await tempFile(csv)
      expect(await readAll(readCsv(path, ['a', 'b']))).toMatchObject([
        { ok: false, refusal },
        { ok: true, value: { line: 3, fields: { a: '3', b: '4' } } },
      ])
    },
  )

  test('a quoted field that never ends is refused where it begins', async () => {
    const path = await tempFile('a,b\n1,2\n3,"4\n5,6\n')
    expect(await readAll(readCsv(path, ['a']))).toMatchObject([
      { ok: true },
      { ok: false, refusal: { code: 'row_invalid', line: 3 } },
    ])
  })

  test('a record is never given without a line of it that could not be read', async () => {
    const bad = Buffer.from([0xc3, 0x28])
    const path = await tempFile(
      Buffer.concat([Buffer.from('a,b\n1,"x\n'), bad, Buffer.from('\ny"\n3,4\n')]),
    )
    expect(await readAll(readCsv(path, ['a', 'b']))).toMatchObject([
      { ok: false, refusal: { code: 'row_invalid', line: 3 } },
      { ok: false, refusal: { code: 'row_invalid', line: 2 } },
    ])
  })

  test('a quoted field as long as a line may be is read without overflow', async () => {
    const long = '""'.repeat(500_000)
    const path = await tempFile(`a,b\n"${long}",2\n`)
    const [row] = await readAll(readCsv(path, ['a']))
    expect(row?.ok && row.value.fields['a']?.length).toBe(500_000)
  })

  test.each([
    ['lacks columns', 'sku,name\n', 'title, price'],
    ['has a column twice', 'sku,title,price,sku\n', 'sku'],
    ['is empty', '', 'header'],
  ])('a file is refused whole and once that %s', async (_, csv, named) => {
    const path = await tempFile(csv)
    const rows = await readAll(readCsv(path, ['sku', 'title', 'price']))
    expect(rows).toMatchObject([{ ok: false, refusal: { code: 'file_unreadable' } }])
    expect(rows[0]?.ok === false && rows[0].refusal.detail).toContain(named)
  })
})

test('a check tells first that a file ends too early, however many rows were bad before', async () => {
  const packed = gzipSync(`a,b\n${'1\n'.repeat(REFUSALS_KEPT_MAX)}${'9\n'.repeat(20_000)}`)
  const path = await tempFile(packed.subarray(0, packed.length - 20))
  const { bad, refusals } = await checkRows(readCsv(path, ['a']))
  expect(bad).toBeGreaterThan(REFUSALS_KEPT_MAX)
  expect(refusals).toHaveLength(REFUSALS_KEPT_MAX)
  expect(refusals[0]?.code).toBe('file_unreadable')
})

test('a check counts every bad row and keeps the first hundred', async () => {
  const path = await tempFile(`a,b\n${'1\n'.repeat(250)}1,2\n`)
  const checked = await checkRows(readCsv(path, ['a']))
  expect(checked).toMatchObject({ good: 1, bad: 250 })
  expect(checked.refusals).toHaveLength(REFUSALS_KEPT_MAX)
})
