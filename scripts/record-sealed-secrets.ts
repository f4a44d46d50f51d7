// Records what an earlier build seals, by that build's own code: `node scripts/record-sealed-secrets.ts COMMIT`.
// Writes tests/golden/sealed-secrets-COMMIT.json: rows of platform.secret, a certificate and a proof of the seal,
// all under a master key that nothing real was ever sealed with.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const [commit = ''] = process.argv.slice(2)
if (!/^[0-9a-f]{7,40}$/.test(commit)) throw new Error('give the commit to record')

const RECORD = `
import { sealSecret } from './src/platform/webhooks/seal-secret.ts'
import { reviewKeys, signApproval } from './src/wire/approval.ts'
import { sealProver } from './src/fulfillment/seal/seal-proof.ts'
const key = Buffer.alloc(32, 7)
const owners = ['shipco|dispatch', 'shipco|event', 'fastfreight|dispatch', 'subscription|whs_1']
const secrets = owners.flatMap((owner, at) => [1, 2].map((number) => {
  const text = 'whsec_' + Buffer.alloc(24, 10 * at + number).toString('base64')
  return { owner, number, text, sealed: sealSecret(key, 'main|' + owner + '|' + number, text).toString('hex') }
}))
const facts = {
  merchant: 'main', orderId: 'ord_1', orderDigest: 'aa'.repeat(32), verdict: 'clear',
  decisionId: 'rvd_1', decisionNumber: 1, effectiveAtMs: 1, orderNumber: 'W-1', revision: 1,
  allocations: [{ line: 1, locationId: 'loc-shipco', qty: 1 }], shipByMs: null,
}
const signing = reviewKeys(key).signing
const approval = signApproval(signing, { ...facts, orderDigest: Buffer.from(facts.orderDigest, 'hex') })
const sealed = { merchant: 'main', partner: 'shipco', dispatch: 'dsp_1', key: 'hfd1-x', bytes: 'body' }
const proof = sealProver(key).prove({ ...sealed, bytes: Buffer.from('body') })
console.log(JSON.stringify({
  masterKey: key.toString('hex'), secrets,
  approval: { keyId: signing.id, facts, mac: approval.toString('hex') },
  proof: { facts: sealed, keyId: proof.keyId, mac: proof.mac.toString('hex') },
}))
`

const home = mkdtempSync(join(tmpdir(), 'holdfast-earlier-'))
try {
  const archive = execFileSync('git', ['archive', commit], { maxBuffer: 1 << 28 })
  execFileSync('tar', ['x', '-C', home], { input: archive })
  symlinkSync(join(process.cwd(), 'node_modules'), join(home, 'node_modules'))
  writeFileSync(join(home, 'record.ts'), RECORD)
  const text = execFileSync(process.execPath, ['record.ts'], { cwd: home, encoding: 'utf8' })
  const file = `tests/golden/sealed-secrets-${commit.slice(0, 7)}.json`
  writeFileSync(file, `${JSON.stringify(JSON.parse(text), null, 2)}\n`)
} finally {
  rmSync(home, { recursive: true, force: true })
}
