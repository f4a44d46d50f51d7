import { writeFile } from 'node:fs/promises'
import { orThrow } from '../src/kernel/index.ts'
import { startThrowaway } from '../src/platform/embedded/index.ts'
import { migrate } from '../src/platform/index.ts'
import { schemaPicture } from '../tests/schema-picture.ts'

// `npm run docs:schema`: migrates a database of its own and writes what it then looks like.
const cluster = await startThrowaway()
try {
  orThrow(await migrate(cluster.ownerUrl))
  const { text } = await schemaPicture(cluster.ownerUrl)
  await writeFile(new URL('../docs/reference/schema.md', import.meta.url), text)
} finally {
  await cluster.dispose()
}
