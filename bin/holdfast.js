#!/usr/bin/env node
// Runs the command line on the pinned Node, whatever Node started this file: the sources are
// TypeScript, which the pinned version runs as they are.
import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath } from 'node:url'
import { findRuntime } from './runtime.js'

const home = new URL('../', import.meta.url)
const main = fileURLToPath(new URL('src/cli/main.ts', home))
// Compiled code is kept beside the packages, not in a shared /tmp: a command starts in half the time.
const cache = fileURLToPath(new URL('node_modules/.cache/holdfast', home))
const runtime = findRuntime()

if (runtime.refused) {
  process.stderr.write(`${runtime.refused}\n`)
  process.exitCode = 1
} else if (runtime.path === realpathSync(process.execPath)) {
  module.enableCompileCache?.(cache)
  await import('../src/cli/main.ts')
} else {
  const child = spawn(runtime.path, [main, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
  })
  // A terminal sends Ctrl-C to the whole group, a supervisor or a script to us alone. Passed on as
  // SIGTERM it stops the child either way: after its own SIGINT a SIGTERM says nothing new.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal === 'SIGINT' ? 'SIGTERM' : signal))
  }
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))
}
