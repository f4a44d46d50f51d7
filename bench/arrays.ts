import { Client } from 'pg'
import { median, ratioFigure } from './figure.ts'
import type { Effort, Figure } from './figure.ts'
import { openWorld } from './world.ts'

const ROWS = 4
const ROUNDS = 1_000

/**
 * Arrays as rows, as every set-based statement of ours reads them: `unnest` of each in the select list,
 * against one `unnest` of all in FROM. A few rows, as a batch has them that nobody waits to fill.
 */
export async function arrays({ pairs }: Effort): Promise<readonly Figure[]> {
  const world = await openWorld(1)
  const client = new Client({ connectionString: world.oursUrl })
  try {
    await client.connect()
    const figures: Figure[] = []
    for (const count of [4, 16]) {
      const runs: { inList: number; inFrom: number }[] = []
      for (let pair = 0; pair < pairs; pair += 1) {
        const run = { inList: Number.NaN, inFrom: Number.NaN }
        // Each pair the other way round.
        const sides = ['inList', 'inFrom'] as const
        for (const side of pair % 2 === 0 ? sides : sides.toReversed())
          run[side] = await time(client, `${side}_${count}`, TEXTS[side](count), count)
        runs.push(run)
      }
      figures.push(
        {
          name: `${count} arrays of ${ROWS} in the select list`,
          value: median(runs.map((run) => run.inList)),
          unit: 'ms',
        },
        {
          name: `${count} arrays of ${ROWS} in FROM`,
          value: median(runs.map((run) => run.inFrom)),
          unit: 'ms',
        },
        ratioFigure(
          `${count} arrays, select list against FROM`,
          median(runs.map((run) => run.inList / run.inFrom)),
          { atMost: 1 },
        ),
      )
    }
    return figures
  } finally {
    await client.end()
    await world.close()
  }
}

const columnsOf = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `$${index + 1}::text[]`)

function inSelectList(count: number): string {
  const list = columnsOf(count).map((column, index) => `unnest(${column}) as c${index}`)
  return `select count(*) from (select ${list.join(', ')} offset 0) as rows_of_arrays`
}

function inFrom(count: number): string {
  return `select count(*) from (select * from unnest(${columnsOf(count).join(', ')}) offset 0) as rows_of_arrays`
}

const TEXTS = { inList: inSelectList, inFrom }

/** Milliseconds a statement, prepared and warm, with its way to the server and back. */
async function time(client: Client, name: string, text: string, count: number): Promise<number> {
  const values = Array.from({ length: count }, () =>
    Array.from({ length: ROWS }, (_, row) => `value ${row}`),
  )
  const query = { name, text, values }
  for (let n = 0; n < ROUNDS / 10; n += 1) await client.query(query)
  const begin = performance.now()
  for (let n = 0; n < ROUNDS; n += 1) await client.query(query)
  return (performance.now() - begin) / ROUNDS
}
