import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { holdfast, killEverything, newDataDir, removeDataDir } from './platform.ts'
import type { Finished } from './platform.ts'

const WHY = ['--reason', 'journey']

/** Runs a command on a data folder with a key file, or with none. */
async function runWith(
  dataDir: string,
  keyFile: string | undefined,
  args: readonly string[],
): Promise<Finished> {
  if (keyFile) process.env['HOLDFAST_MASTER_KEY_FILE'] = keyFile
  try {
    return await holdfast(dataDir, args)
  } finally {
    delete process.env['HOLDFAST_MASTER_KEY_FILE']
  }
}

test('HOLDFAST_MASTER_KEY_FILE is the key of the embedded database, and every other key is refused', async () => {
  const dataDir = await newDataDir()
  onTestFinished(async () => {
    await killEverything(dataDir)
    await removeDataDir(dataDir)
  })
  const [ours, other] = [join(dataDir, 'ours'), join(dataDir, 'other')]
  const own = join(dataDir, 'master.key')
  await writeFile(ours, Buffer.alloc(32, 1), { mode: 0o600 })
  await writeFile(other, Buffer.alloc(32, 2), { mode: 0o600 })
  const refused = async (keyFile: string | undefined, args: readonly string[], said: string) => {
    const { code, stderr } = await runWith(dataDir, keyFile, args)
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(said) })
    expect(stderr.trim().split('\n')).toHaveLength(1)
  }

  await refused(join(dataDir, 'none'), ['migrate'], 'config_invalid: HOLDFAST_MASTER_KEY_FILE')
  expect(await runWith(dataDir, ours, ['migrate'])).toMatchObject({ code: 0 })
  const add = ['partners', 'add', 'mine', '--url', 'https://partner.example']
  expect(await runWith(dataDir, ours, add)).toMatchObject({ code: 0 })
  await expect(stat(own)).rejects.toThrow('ENOENT')

  await refused(other, ['status'], 'master_key_unknown: The master key mk_')
  await refused(other, ['up', '--no-demo'], 'master_key_unknown: The master key mk_')
  await refused(undefined, ['status'], 'name it by HOLDFAST_MASTER_KEY_FILE')

  await writeFile(own, Buffer.alloc(32, 2), { mode: 0o600 })
  await refused(ours, ['status'], `master_key_differs: ${own} holds another`)
  await writeFile(own, Buffer.alloc(32, 1), { mode: 0o600 })
  expect(await runWith(dataDir, ours, ['status'])).toMatchObject({ code: 0 })
  expect(await runWith(dataDir, undefined, ['status'])).toMatchObject({ code: 0 })

  // Only the audited command lets another key in.
  expect(await holdfast(dataDir, ['keys', 'add', other, ...WHY])).toMatchObject({ code: 0 })
  await writeFile(own, Buffer.alloc(32, 2), { mode: 0o600 })
  expect(await holdfast(dataDir, ['status'])).toMatchObject({ code: 0 })
  const listed = await holdfast(dataDir, ['keys', 'list', '--json'])
  const { keys } = JSON.parse(listed.stdout)
  expect(keys).toMatchObject([{ secrets: 2 }, { secrets: 0 }])
  await refused(undefined, ['keys', 'retire', String(keys[0].id), ...WHY], 'master_key_in_use')
})
