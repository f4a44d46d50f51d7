// `npm run bench -- --json > figures.json && node bench/write-performance.ts figures.json`: makes
// docs/reference/performance.md from what was measured; nobody types a figure.
import { readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'

const figure = z.object({
  name: z.string(),
  value: z.number().nullable(),
  unit: z.string(),
  goal: z.string().optional(),
  met: z.boolean().optional(),
})
const report = z.object({
  at: z.string(),
  machine: z.object({
    cores: z.number(),
    cpu: z.string().optional(),
    node: z.string(),
    postgres: z.string().optional(),
  }),
  seed: z.number(),
  effort: z.object({ pairs: z.number(), seconds: z.number() }),
  results: z.record(z.string(), z.array(figure)),
})

const files = process.argv.slice(2)
const pages = files.map((file) => report.parse(JSON.parse(readFileSync(file, 'utf8'))))
const shown = (value: number | null): string =>
  value === null ? 'not measured' : Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2)

const sections = pages.flatMap(({ at, machine, seed, effort, results }) =>
  Object.entries(results).map(([name, figures]) =>
    [
      `## ${name}`,
      '',
      `\`npm run bench -- ${name}${effort.pairs === 1 ? ' --quick' : ''}\`, ${at.slice(0, 10)}, ${machine.cores} cores (${machine.cpu ?? 'unknown'}), Node ${machine.node}, PostgreSQL ${machine.postgres ?? 'unknown'}, seed ${seed}, ${effort.pairs === 1 ? 'one pair' : `median of ${effort.pairs} interleaved pairs`} of ${effort.seconds} s.`,
      '',
      '| figure | value | goal | |',
      '|---|---|---|---|',
      ...figures.map(
        ({ name: title, value, unit, goal, met }) =>
          `| ${title} | ${shown(value)} ${unit} | ${goal ?? ''} | ${met === undefined ? '' : met ? 'met' : '**not met**'} |`,
      ),
      '',
    ].join('\n'),
  ),
)
writeFileSync(
  'docs/reference/performance.md',
  `# Performance\n\nMeasured, not typed: made by \`node bench/write-performance.ts\` from the JSON of \`npm run bench -- --json\`. Load, server\nand database share the machine, so ratios say more than absolute figures.\n\n${sections.join('\n')}`,
)
