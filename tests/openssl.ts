// A second implementation of the cryptography: the openssl of this machine, where it has one.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Whether this machine has an openssl of version 3 or later; its absence is told loudly. */
export const hasOpenssl = /^OpenSSL [3-9]/.test(run(['version'])?.toString() ?? '')
if (!hasOpenssl)
  console.warn('SKIPPED: no openssl 3 here; nothing verifies the vectors a second time')

/** What openssl writes for some arguments and files; undefined where it fails. */
export function openssl(
  args: readonly string[],
  files: Readonly<Record<string, Uint8Array | string>> = {},
): Buffer | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-openssl-'))
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
    return run(args, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function run(args: readonly string[], cwd = tmpdir()): Buffer | undefined {
  const done = spawnSync('openssl', args, { cwd, timeout: 20_000 })
  return done.status === 0 ? done.stdout : undefined
}
