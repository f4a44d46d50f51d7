import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Command } from 'commander'
import { z } from 'zod'
import { refuse, RefusedError } from '#kernel/index.ts'
import { generateCatalog, generateOrders } from '#orders/index.ts'
import type { GeneratedCatalogRow } from '#orders/index.ts'
import { addCommand, addGroup, wholeNumber } from './command.ts'
import type { Answer } from './command.ts'

const OPTIONS = [
  ['--count <n>', 'how many orders, 1 to 10,000,000'],
  ['--seed <n>', 'the same seed gives the same shop (default 1)'],
  ['--output <file>', 'write there instead of standard output; packed where it ends in .gz'],
] as const

const input = z.object({
  count: wholeNumber(1, 10_000_000),
  seed: wholeNumber(0, 4_294_967_295).default(1),
  output: z.string().optional(),
})

/** `generate orders`, `generate catalog`. */
export function addGenerateCommands(program: Command): void {
  const group = addGroup(
    program,
    'generate',
    'files of a synthetic shop with the statistics of a real one',
  )
  addCommand(group, {
    usage: 'orders',
    summary: 'orders as NDJSON, for `import orders`',
    example: 'holdfast generate orders --count 10000 --seed 7 --output orders.ndjson.gz',
    options: OPTIONS,
    input,
    run: async ({ output, ...shop }) => write(output, orderLines(shop)),
  })
  addCommand(group, {
    usage: 'catalog',
    alias: 'catalogue',
    summary: 'the catalog as CSV, for `import catalog`, stocked for that many orders of that seed',
    example: 'holdfast generate catalog --count 10000 --seed 7 --output catalogue.csv',
    options: OPTIONS,
    input,
    run: async ({ output, ...shop }) => write(output, catalogLines(shop)),
  })
}

function* orderLines(shop: { seed: number; count: number }): Generator<string> {
  for (const order of generateOrders(shop)) yield `${JSON.stringify(order)}\n`
}

function* catalogLines(shop: { seed: number; count: number }): Generator<string> {
  yield `${CATALOG_COLUMNS.join(',')}\n`
  for (const row of generateCatalog(shop)) {
    yield `${CATALOG_COLUMNS.map((name) => csvField(String(row[name]))).join(',')}\n`
  }
}

const CATALOG_COLUMNS = [
  'sku',
  'title',
  'price_minor',
  'units',
  'units_needed',
] as const satisfies readonly (keyof GeneratedCatalogRow)[]

function csvField(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

async function write(output: string | undefined, lines: Iterable<string>): Promise<Answer> {
  let bytes = 0
  const counted = function* (): Generator<string> {
    for (const line of lines) {
      bytes += Buffer.byteLength(line)
      yield line
    }
  }
  const source = Readable.from(counted())
  if (output === undefined) {
    await pipeline(source, process.stdout, { end: false })
    return { text: '' }
  }
  const file = createWriteStream(output)
  try {
    await (output.endsWith('.gz') ? pipeline(source, createGzip(), file) : pipeline(source, file))
  } catch (fault) {
    const why = fault instanceof Error ? fault.message : String(fault)
    throw new RefusedError(refuse('usage_invalid', why, { field: '--output' }).refusal)
  }
  return { json: { file: output, bytes }, text: `Wrote ${output}: ${bytes} bytes before packing.` }
}
