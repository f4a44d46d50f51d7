import { readFileSync } from 'node:fs'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createTestDatabase, silentLog } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { tempFile } from '../../../tests/temp-file.ts'
import { sealProver } from '../../fulfillment/seal/seal-proof.ts'
import { reviewKeys, verifyApproval } from '../../wire/index.ts'
import { closeDatabase, openDatabase, withTransaction } from '../index.ts'
import { keyIdOf, masterKeyId, openSecret, sealSecret } from '../webhooks/seal-secret.ts'
import { addMasterKey, listMasterKeys, retireMasterKey } from './change-master-keys.ts'
import { addSecret, liveSecrets, loadedKey, readKeyFile, resealSecrets } from './index.ts'

const hex = z.string().transform((text) => Buffer.from(text, 'hex'))
// Recorded with the code of that commit: scripts/record-sealed-secrets.ts.
const EARLIER = z
  .object({
    masterKey: hex,
    secrets: z.array(
      z.object({ owner: z.string(), number: z.number(), text: z.string(), sealed: hex }),
    ),
    approval: z.object({
      keyId: z.string(),
      mac: hex,
      facts: z.object({
        merchant: z.string(),
        orderId: z.string(),
        orderDigest: hex,
        verdict: z.literal('clear'),
        decisionId: z.string(),
        decisionNumber: z.number(),
        effectiveAtMs: z.number(),
        orderNumber: z.string(),
        revision: z.number(),
        allocations: z.array(
          z.object({ line: z.number(), locationId: z.string(), qty: z.number() }),
        ),
        shipByMs: z.null(),
      }),
    }),
    proof: z.object({
      keyId: z.string(),
      mac: hex,
      facts: z.object({
        merchant: z.string(),
        partner: z.string(),
        dispatch: z.string(),
        key: z.string(),
        bytes: z.string().transform((text) => Buffer.from(text)),
      }),
    }),
  })
  .parse(JSON.parse(readFileSync('tests/golden/sealed-secrets-4d6bc89.json', 'utf8')))
const OURS = EARLIER.masterKey
const OTHER = Buffer.alloc(32, 8)
const BY = { merchant: 'main', actor: 'test', reason: 'test' }
const code = (name: string) => ({ ok: false, refusal: { code: name } })

const made: TestDatabase[] = []
let test_: TestDatabase
beforeEach(async () => {
  test_ = await createTestDatabase({ connectionsMax: 8 })
  made.push(test_)
})
afterAll(async () => void (await Promise.all(made.map((one) => one.drop()))))

const admit = (key: Buffer) => loadedKey(key).admit(test_.database, 'main')
const store = (owner: string, number: number, sealed: Buffer) =>
  test_.database.pool.query(
    'insert into platform.secret (merchant_id, owner, number, sealed) values ($1, $2, $3, $4)',
    ['main', owner, number, sealed],
  )
const storeEarlier = async () => {
  for (const { owner, number, sealed } of EARLIER.secrets) await store(owner, number, sealed)
}
const stored = async () =>
  z
    .array(z.object({ owner: z.string(), number: z.number(), sealed: z.instanceof(Buffer) }))
    .parse(
      (await test_.database.pool.query('select owner, number, sealed from platform.secret')).rows,
    )
const auditOf = async (action: string) =>
  (
    await test_.database.pool.query('select subject_id from platform.audit where action = $1', [
      action,
    ])
  ).rows

describe('the secrets of the build before', () => {
  test('are believed of the key that opens them and of no other, which leaves no trace', async () => {
    await storeEarlier()
    expect(await admit(OTHER)).toMatchObject(code('master_key_unknown'))
    expect(await listMasterKeys(test_.database)).toEqual([])
    expect(await admit(OURS)).toMatchObject({ ok: true })
    expect(await admit(OTHER)).toMatchObject(code('master_key_unknown'))
    expect(await auditOf('master_key.first')).toEqual([{ subject_id: masterKeyId(OURS) }])
  })

  test('are read as they are, and sealed anew once by any number of processes', async () => {
    await storeEarlier()
    const read = () =>
      liveSecrets(test_.database, OURS, { merchant: 'main', owner: 'shipco|event' })
    const before = await read()
    const by = { merchant: 'main', log: silentLog }
    const done = await Promise.all([1, 2, 3, 4].map(() => resealSecrets(test_.database, OURS, by)))
    expect(done.reduce((sum, one) => sum + one, 0)).toBe(EARLIER.secrets.length)
    expect(await resealSecrets(test_.database, OURS, by)).toBe(0)
    expect(await read()).toEqual(before)
    const rows = await stored()
    expect(rows).toHaveLength(EARLIER.secrets.length)
    for (const { owner, number, sealed } of rows) {
      const text = EARLIER.secrets.find((one) => one.owner === owner && one.number === number)?.text
      expect(keyIdOf(sealed)).toBe(masterKeyId(OURS))
      expect(openSecret(OURS, `main|${owner}|${number}`, sealed)).toBe(text)
    }
  })

  test('are left alone where they do not open, and named', async () => {
    await storeEarlier()
    await store('moved|event', 1, EARLIER.secrets[0]?.sealed ?? Buffer.alloc(0))
    const told: object[] = []
    const log = { ...silentLog, error: (facts: object) => void told.push(facts) }
    const done = await resealSecrets(test_.database, OURS, { merchant: 'main', log })
    expect(done).toBe(EARLIER.secrets.length)
    expect(told).toEqual([{ owner: 'moved|event', number: 1 }])
  })

  test('stand beside certificates and proofs that still verify', () => {
    const { approval, proof } = EARLIER
    // That build knew neither identity nor unit prices.
    const facts = { ...approval.facts, identity: '', unitPrices: [] }
    expect(verifyApproval(reviewKeys(OURS), approval.keyId, facts, approval.mac)).toBe(true)
    expect(sealProver(OURS).isProven(proof.facts, proof)).toBe(true)
    expect(verifyApproval(reviewKeys(OTHER), approval.keyId, facts, approval.mac)).toBe(false)
  })
})

describe('the list of master keys', () => {
  test('has one winner of many first starts with two keys', async () => {
    const keys = Array.from({ length: 16 }, (_, index) => (index % 2 === 0 ? OURS : OTHER))
    const outcomes = await Promise.all(keys.map(admit))
    const listed = await listMasterKeys(test_.database)
    expect(listed).toHaveLength(1)
    for (const [index, outcome] of outcomes.entries()) {
      expect(outcome.ok).toBe(masterKeyId(keys[index] ?? OURS) === listed[0]?.id)
    }
  })

  test('believes nobody who opens nothing, also where the secret comes in between', async () => {
    await storeEarlier()
    const asked = await test_.database.pool.query(
      `select platform.believe_first_master_key($1, false, 'main', 'aud_1', 'x') as believed`,
      [masterKeyId(OTHER)],
    )
    expect(asked.rows).toEqual([{ believed: false }])
  })

  test('cannot be written by the runtime role, and tells nothing of the key', async () => {
    expect(await admit(OURS)).toMatchObject({ ok: true })
    const id = masterKeyId(OTHER)
    for (const text of [
      `insert into platform.master_key (id, added_by) values ('${id}', 'x')`,
      `update platform.master_key set retired_at = now(), retired_by = 'x'`,
      'delete from platform.master_key',
      `update platform.secret set sealed = 'x'`,
    ]) {
      await expect(test_.database.pool.query(text)).rejects.toThrow('permission denied')
    }
    expect(OURS.toString('hex')).not.toContain(Buffer.from(masterKeyId(OURS)).toString('hex'))
  })

  test('is changed by the owner with an audit row; a retired key starts nothing and seals nothing', async () => {
    await admit(OURS)
    const owner = { merchant: 'main', owner: 'shipco|event' }
    const secret = (key: Buffer, number: number) =>
      withTransaction(test_.database, (tx) => addSecret(tx, key, { ...owner, number, secret: 's' }))
    await secret(OURS, 1)
    await expect(secret(OTHER, 2)).rejects.toThrow('master_key_unknown')
    const asOwner = openDatabase(test_.ownerUrl, { connectionsMax: 1 })
    onTestFinished(() => closeDatabase(asOwner))
    const retire = () => retireMasterKey(asOwner, { ...BY, id: masterKeyId(OURS) })
    await test_.asOwner('update platform.secret set ended_at = now(), ended_by = $1', ['x'])
    expect(await retire()).toMatchObject(code('master_key_in_use'))
    const add = { ...BY, id: masterKeyId(OTHER) }
    expect(await addMasterKey(asOwner, add)).toMatchObject({ value: { wasNew: true } })
    expect(await addMasterKey(asOwner, add)).toMatchObject({ value: { wasNew: false } })
    await test_.asOwner('update platform.secret set ended_at = null, ended_by = null')
    expect(await retire()).toMatchObject(code('master_key_in_use'))
    await test_.asOwner('update platform.secret set ended_at = now(), ended_by = $1', ['x'])
    expect(await retire()).toMatchObject({ ok: true })
    expect(await retire()).toMatchObject(code('master_key_unknown'))
    expect(await admit(OURS)).toMatchObject(code('master_key_unknown'))
    expect(await admit(OTHER)).toMatchObject({ ok: true })
    await expect(secret(OURS, 3)).rejects.toThrow('master_key_unknown')
    await secret(OTHER, 3)
    expect(await auditOf('master_key.add')).toEqual([{ subject_id: masterKeyId(OTHER) }])
    expect(await auditOf('master_key.retire')).toEqual([{ subject_id: masterKeyId(OURS) }])
  })
})

describe('a sealed secret', () => {
  test('names its version and key, and opens with no byte of them changed', () => {
    const sealed = sealSecret(OURS, 'main|a|1', 'text')
    expect(openSecret(OURS, 'main|a|1', sealed)).toBe('text')
    expect(() => openSecret(OTHER, 'main|a|1', sealed)).toThrow(masterKeyId(OURS))
    expect(() => openSecret(OURS, 'main|a|2', sealed)).toThrow('authenticate')
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => openSecret(OURS, 'main|a|1', changed)).toThrow(/authenticate|another/)
    }
    const relabelled = Buffer.concat([
      sealSecret(OTHER, 'main|a|1', 'x').subarray(0, 14),
      sealed.subarray(14),
    ])
    expect(() => openSecret(OTHER, 'main|a|1', relabelled)).toThrow('authenticate')
    expect(() => openSecret(OURS, 'main|a|1', sealed.subarray(14))).toThrow('authenticate')
  })
})

test('a key file is at least 32 bytes and ends: a device is read no further than 4,096', async () => {
  expect(await readKeyFile(await tempFile(Buffer.alloc(31)))).toBeUndefined()
  expect(await readKeyFile(await tempFile(Buffer.alloc(4_097)))).toBeUndefined()
  expect(await readKeyFile(await tempFile(OURS))).toEqual(OURS)
  expect(await readKeyFile('/dev/zero')).toBeUndefined()
  expect(await readKeyFile('/no/such/file')).toBeUndefined()
  expect(await readKeyFile('/')).toBeUndefined()
})
