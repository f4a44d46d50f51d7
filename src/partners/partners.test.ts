import { afterAll, beforeAll, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import type { Context } from '#platform/index.ts'
import { networksOf } from '#platform/outbound/index.ts'
import { isWebhookSecret, newWebhookSecret } from '#platform/webhooks/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import {
  allowNetworks,
  checkPartnerUrl,
  findPartner,
  gradeAfterProbe,
  gradePartner,
  listPartners,
  partnerSecrets,
  pausePartner,
  registerPartner,
  resumePartner,
} from './index.ts'

const LIST = ['fd12::/32', '10.20.0.0/16', '10.20.0.0/16']
const PRIVATE = networksOf(true)
const MASTER_KEY = Buffer.alloc(32, 7)
let test_: TestDatabase
let context: Context
beforeAll(async () => {
  test_ = await createTestDatabase()
  context = await createTestContext(test_.database)
})
afterAll(() => test_.drop())

const register = (id: string, over: object = {}) =>
  registerPartner(context, MASTER_KEY, {
    id,
    url: 'https://partner.example',
    actor: 'test',
    ...over,
  })
const code = (expected: string) => ({ ok: false, refusal: { code: expected } })

test('a partner is registered once; its secrets are shown once and rest sealed', async () => {
  const first = orThrow(await register('shipco', { url: 'https://partner.example/' }))
  expect(first.partner).toMatchObject({ locationId: 'loc-shipco', grade: 'D', pausedAt: null })
  expect(isWebhookSecret(first.newSecrets?.dispatch ?? '')).toBe(true)
  const second = orThrow(await register('shipco'))
  expect(second).toEqual({ partner: first.partner })
  const secrets = partnerSecrets(context, MASTER_KEY)
  expect(await secrets.live('shipco', 'event')).toEqual([first.newSecrets?.event])
  expect(await secrets.live('nobody', 'event')).toEqual([])
  const rows = await test_.database.pool.query(`select sealed from platform.secret`)
  expect(JSON.stringify(rows.rows)).not.toContain(first.newSecrets?.event)
  const audit = await test_.database.pool.query(`select action, after::text from platform.audit`)
  expect(audit.rows).toMatchObject([{ action: 'partner.register' }])
  expect(JSON.stringify(audit.rows)).not.toContain('whsec_')
})

test('the same id with another address, location or secret is refused', async () => {
  const secrets = { dispatch: newWebhookSecret() }
  await register('twice', { secrets })
  expect(await register('twice', { secrets })).toMatchObject({ ok: true })
  for (const over of [
    { url: 'https://other.example' },
    { locationId: 'loc-other' },
    { secrets: { dispatch: newWebhookSecret() } },
  ]) {
    expect(await register('twice', over)).toMatchObject(code('partner_exists'))
  }
})

test.each([
  ['an id with capitals', 'ShipCo', {}],
  ['a secret that is none', 'weak', { secrets: { event: 'whsec_abc' } }],
  ['http', 'plain', { url: 'http://partner.example' }],
])('%s is refused', async (_, id, over) => {
  expect(await register(id, over)).toMatchObject(code('body_invalid'))
  expect(await findPartner(test_.database, 'main', id)).toBeUndefined()
})

test.each([
  ['https://partner.example/api/', false, 'https://partner.example/api'],
  ['https://partner.example:8443', false, 'https://partner.example:8443'],
  ['https://partner.example:9000', false, undefined],
  ['https://partner.example:9000', true, 'https://partner.example:9000'],
  ['https://user:pass@partner.example', false, undefined],
  ['https://partner.example/?to=x', false, undefined],
  ['http://127.0.0.1:4100', false, undefined],
  ['http://127.0.0.1:4100', true, 'http://127.0.0.1:4100'],
  ['http://2130706433:4100', true, 'http://127.0.0.1:4100'],
  ['http://10.0.0.1', true, undefined],
  ['http://127.evil.example', true, undefined],
  ['ftp://partner.example', true, undefined],
  ['nonsense', true, undefined],
])('the address %s (private: %s) is taken as %s', (url, allowPrivate, taken) => {
  const outcome = checkPartnerUrl(url, allowPrivate)
  expect(outcome.ok ? outcome.value : undefined).toBe(taken)
})

test('pause, resume and grade are written with actor and reason', async () => {
  await register('moody')
  const by = { partner: 'moody', actor: 'person:ada', reason: 'strike' }
  orThrow(await pausePartner(context, by))
  expect(await findPartner(test_.database, 'main', 'moody')).toMatchObject({
    pausedReason: 'strike',
  })
  orThrow(await resumePartner(context, by))
  orThrow(await gradePartner(context, { ...by, grade: 'A' }))
  const all = await listPartners(test_.database, 'main')
  expect(all.find((one) => one.id === 'moody')).toMatchObject({ pausedAt: null, grade: 'A' })
  const audit = await test_.database.pool.query(
    `select action, actor from platform.audit where subject_id = 'moody' order by id`,
  )
  expect(audit.rows.slice(1)).toEqual(
    ['pause', 'resume', 'grade'].map((act) => ({ action: `partner.${act}`, actor: 'person:ada' })),
  )
  expect(await pausePartner(context, { ...by, partner: 'nobody' })).toMatchObject(
    code('partner_unknown'),
  )
})

test.each([
  ['falls at once', 'A', 'C', true, false, 'C'],
  ['falls by what an incomplete probe proved', 'A', 'C', false, false, 'C'],
  ['rises where every check had an answer', 'D', 'A', true, true, 'A'],
  ['stays where one had none', 'D', 'A', false, true, 'D'],
  ['stays where nobody asked', 'C', 'A', true, false, 'C'],
] as const)('a grade %s', (_, before, measured, isComplete, mayRaise, after) => {
  expect(gradeAfterProbe({ before, measured, isComplete, mayRaise })).toBe(after)
})

test('a sealed secret opens only with its key, in its place, whole', async () => {
  await register('sealed')
  const read = (masterKey = MASTER_KEY) =>
    partnerSecrets(context, masterKey).live('sealed', 'event')
  expect(await read()).toHaveLength(1)
  await expect(read(Buffer.alloc(32, 8))).rejects.toThrow('another master key')
  const move = (to: string, from: string) =>
    test_.asOwner(`update platform.secret set sealed = (select sealed from platform.secret
              where owner = '${from}') where owner = '${to}'`)
  await register('other')
  await move('sealed|event', 'other|event')
  await expect(read()).rejects.toThrow('authenticate')
  await test_.asOwner(`update platform.secret set sealed = set_byte(sealed, 15, 255 - get_byte(sealed, 15))
                  where owner = 'other|dispatch'`)
  await expect(partnerSecrets(context, MASTER_KEY).live('other', 'dispatch')).rejects.toThrow(
    'authenticate',
  )
})

test.each([
  ['its own address', 'http://127.0.0.1:9', true, ['127.0.0.1/32']],
  ['a name on a private network', 'https://partner.internal:9000', true, PRIVATE],
  ['a list, said once and sorted', 'https://partner.internal', LIST, ['10.20.0.0/16', 'fd12::/32']],
  ['nothing, on the public internet', 'https://partner.example', false, []],
])('a partner may be in the networks of %s', async (name, url, allowPrivate, networks) => {
  const id = `net-${name.length}`
  orThrow(await register(id, { url, allowPrivate }))
  expect((await findPartner(test_.database, 'main', id))?.allowPrivate).toEqual(networks)
})

test.each([
  ['a private address that nothing allows', 'https://10.0.0.1', false],
  ['the metadata service, whatever is allowed', 'https://169.254.169.254', true],
  ['an address outside its own list', 'https://10.0.0.1', ['10.20.0.0/16']],
  ['a list that holds a public network', 'https://partner.internal', ['1.0.0.0/8']],
  ['a list that holds everything', 'https://partner.internal', ['0.0.0.0/0']],
])('%s is refused at registration', async (_, url, allowPrivate) => {
  expect(await register('refused', { url, allowPrivate })).toMatchObject(code('body_invalid'))
})

test('the networks of a partner are changed with a reason, and the change is audited', async () => {
  orThrow(await register('vpn', { url: 'https://vpn.internal', allowPrivate: true }))
  const change = { partner: 'vpn', actor: 'user:ada', reason: 'VPN moved' }
  const wrong = await allowNetworks(context, { ...change, networks: ['169.254.0.0/16'] })
  expect(wrong).toMatchObject(code('body_invalid'))
  expect(
    await allowNetworks(context, { ...change, partner: 'nobody', networks: [] }),
  ).toMatchObject(code('partner_unknown'))
  orThrow(await allowNetworks(context, { ...change, networks: ['10.20.0.0/16'] }))
  expect((await findPartner(test_.database, 'main', 'vpn'))?.allowPrivate).toEqual(['10.20.0.0/16'])
  const audit = await test_.database.pool.query(
    `select actor, reason, after from platform.audit where action = 'partner.allow'`,
  )
  expect(audit.rows).toEqual([
    {
      actor: 'user:ada',
      reason: 'VPN moved',
      after: { reason: 'VPN moved', networks: ['10.20.0.0/16'] },
    },
  ])
})
