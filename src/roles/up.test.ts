import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { readConfig, silentLog } from '#platform/index.ts'
import { startEmbedded } from '#platform/embedded/index.ts'
import { runUp } from './up.ts'

test('a second start on the same data is refused, since the database would end with the first', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'holdfast-up-'))
  await chmod(dataDir, 0o755)
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const first = orThrow(await startEmbedded({ dataDir }))
  onTestFinished(() => first.stop())
  const config = orThrow(
    readConfig({
      HOLDFAST_DATA_DIR: dataDir,
      HOLDFAST_HTTP_PORT: '0',
      HOLDFAST_GRPC_PORT: '0',
    }),
  )
  const log = { ...silentLog, flush: () => undefined }
  const second = await runUp(config, { demo: false, log, say: () => undefined })
  expect(second).toMatchObject({ refusal: { code: 'data_dir_busy', meta: { pid: process.pid } } })
})
