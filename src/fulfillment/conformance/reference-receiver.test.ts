import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newId } from '#kernel/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import { folder, startScript, world } from './example.fixture.ts'
import { measurePartner } from './measure-partner.ts'
import type { Measurement } from './measure-partner.ts'
import { probeBody } from './probe-body.ts'
import { probeExchange } from './probe-exchange.ts'

const identity = { merchant: 'main', partner: 'example' }
const startExample = (file: string, secret: string) =>
  startScript('receiver/receiver.js', ['--file', file], secret)

const notPassed = ({ checks }: Measurement) =>
  checks.filter((one) => one.outcome !== 'passed').map(({ name, found }) => ({ name, found }))

test('the reference receiver is of grade A, and still is after kill -9 and a torn line', async () => {
  const file = join(await folder(), 'ledger.ndjson')
  const secret = newWebhookSecret()
  const first = await startExample(file, secret)
  const before = await measurePartner(world(), { identity, target: first.target, kept: [] })
  expect(notPassed(before)).toMatchObject([{ name: 'key_kept' }])
  expect(before).toMatchObject({ grade: 'A', isComplete: true })
  await first.kill()
  await appendFile(file, '{"t":"accepted","key":"hf')
  const second = await startExample(file, secret)
  const kept = [{ batch: before.batch, ageS: 1 }]
  const after = await measurePartner(world(), { identity, target: second.target, kept })
  expect(notPassed(after)).toEqual([])
  await second.kill()
  // What was written after the torn line is whole: the third life knows it too.
  const third = await startExample(file, secret)
  const again = [{ batch: after.batch, ageS: 1 }]
  const last = await measurePartner(world(), { identity, target: third.target, kept: again })
  expect(notPassed(last)).toEqual([])
})

test('of ten creates at once with one key the reference receiver accepts one', async () => {
  const file = join(await folder(), 'ledger.ndjson')
  const { target } = await startExample(file, newWebhookSecret())
  const { create } = probeExchange(world(), target)
  const body = probeBody(identity, newId('btc'))
  const results = await Promise.all(Array.from({ length: 10 }, () => create(body)))
  const statuses = results.map((one) => (one.kind === 'reply' ? one.status : 0))
  expect(statuses.toSorted((a, b) => a - b)).toEqual([...Array<number>(9).fill(200), 201])
})
