// `npm run bench -- [NAME…] [--json] [--quick] [--seed N] [--names]`: runs benches one after the other, prints a table or JSON.
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { arrays } from './arrays.ts'
import { batch } from './batch.ts'
import type { Effort, Figure } from './figure.ts'
import { dispatch } from './dispatch.ts'
import { endToEnd } from './end-to-end.ts'
import { events } from './events.ts'
import { flashSale } from './flash-sale.ts'
import { growth } from './growth.ts'
import { hotSku } from './hot-sku.ts'
import { intake } from './intake.ts'
import { latency } from './latency.ts'
import { reads } from './reads.ts'
import { river } from './river.ts'
import { start } from './start.ts'
import { benchSeed } from './seed.ts'
import { measuredOn } from './world.ts'

const BENCHES: Record<string, (effort: Effort) => Promise<readonly Figure[]>> = {
  intake,
  'hot-sku': hotSku,
  batch,
  'flash-sale': flashSale,
  latency,
  'end-to-end': endToEnd,
  river,
  dispatch,
  growth,
  reads,
  start,
  arrays,
  events,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    quick: { type: 'boolean' },
    names: { type: 'boolean' },
    seed: { type: 'string' },
  },
})
if (values.names) {
  process.stdout.write(`${Object.keys(BENCHES).join('\n')}\n`)
  process.exit(0)
}
if (values.seed !== undefined) process.env['HOLDFAST_BENCH_SEED'] = values.seed
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES)
const unknown = names.find((name) => !(name in BENCHES))
if (unknown) {
  process.stderr.write(
    `usage_invalid: ${unknown} is not a bench; there are ${Object.keys(BENCHES).join(', ')}\n`,
  )
  process.exit(2)
}
const effort: Effort = values.quick ? { pairs: 1, seconds: 2 } : { pairs: 5, seconds: 4 }
const results: Record<string, readonly Figure[]> = {}
for (const name of names) {
  const figures = (await BENCHES[name]?.(effort)) ?? []
  results[name] = figures
  if (!values.json) print(name, figures)
}
if (values.json) {
  const machine = {
    cores: cpus().length,
    cpu: cpus()[0]?.model,
    node: process.version,
    ...measuredOn,
  }
  process.stdout.write(
    `${JSON.stringify({ at: new Date().toISOString(), machine, seed: benchSeed(), effort, results }, null, 2)}\n`,
  )
}

function print(name: string, figures: readonly Figure[]): void {
  process.stdout.write(`\n${name}\n`)
  const width = Math.max(...figures.map((figure) => figure.name.length))
  for (const { name: title, value, unit, ratio, goal, met } of figures) {
    const verdict = met === undefined ? '' : met ? '  met' : '  NOT MET'
    const shown = Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2)
    process.stdout.write(
      `  ${title.padEnd(width)}  ${shown.padStart(9)} ${unit}${ratio === undefined ? '' : ' ratio'}${goal ? `  (goal ${goal})` : ''}${verdict}\n`,
    )
  }
}
