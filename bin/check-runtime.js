// Runs after every `npm ci`, so that a system or an install that cannot work is refused there.
import { checkInstall } from './runtime.js'

const { refused } = checkInstall()
if (refused) {
  process.stderr.write(`${refused}\n`)
  process.exitCode = 1
}
