import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { invariant, orThrow } from '#kernel/index.ts'
import { startInChild } from './child-owner.ts'
import type { ChildOwner } from './child-owner.ts'
import { sendSignal } from './cluster-processes.ts'
import { startTimeOf } from './process-identity.ts'
import { startEmbedded } from './start-embedded.ts'
import type { EmbeddedPostgres } from './start-embedded.ts'
import { makeTemporaryFolder, startThrowaway } from './throwaway-cluster.ts'

let dataDir: string
const owners: ChildOwner[] = []
const clusters: EmbeddedPostgres[] = []

beforeEach(async () => {
  dataDir = await makeTemporaryFolder()
})
afterEach(async () => {
  for (const owner of owners.splice(0)) await owner.kill()
  // An owner killed by a failed test leaves its server: a last start finds and stops it.
  if (clusters.length === 0) clusters.push(orThrow(await startEmbedded({ dataDir })))
  for (const cluster of clusters.splice(0)) await cluster.stop()
  await rm(dataDir, { recursive: true })
})

function own(): ChildOwner {
  const owner = startInChild(dataDir)
  owners.push(owner)
  return owner
}

async function ownUp(): Promise<{ owner: ChildOwner; ownerUrl: string }> {
  const owner = own()
  const outcome = await owner.outcome
  invariant(outcome.kind === 'up', 'the child starts the engine')
  return { owner, ownerUrl: outcome.ownerUrl }
}

async function start(): Promise<EmbeddedPostgres> {
  const cluster = orThrow(await startEmbedded({ dataDir }))
  clusters.push(cluster)
  return cluster
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function countRows(url: string): Promise<number | null> {
  const client = await connect(url)
  try {
    return (await client.query('select from fact')).rowCount
  } finally {
    await client.end()
  }
}

async function postmasterPid(): Promise<number> {
  const text = await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')
  return Number.parseInt(text)
}

/** Commits 100 rows one by one and leaves one more uncommitted on an open connection. */
async function writeRows(url: string): Promise<void> {
  const client = await connect(url)
  await client.query('create table fact (id int primary key)')
  for (let id = 0; id < 100; id += 1) await client.query('insert into fact values ($1)', [id])
  await client.query('begin')
  await client.query('insert into fact values (100)')
}

test('a second start is refused by the pid of the live owner, and disturbs nothing', async () => {
  const { owner, ownerUrl } = await ownUp()
  await writeRows(ownerUrl)
  const second = await startEmbedded({ dataDir })
  expect(second).toMatchObject({
    refusal: { code: 'data_dir_busy', meta: { pid: owner.pid } },
  })
  expect(await countRows(ownerUrl)).toBe(100)
})

test('after kill -9 of the owner a start stops its server and has every committed row', async () => {
  const { owner, ownerUrl } = await ownUp()
  await writeRows(ownerUrl)
  const orphan = await postmasterPid()
  expect(await startTimeOf(orphan)).toBeDefined()
  await owner.kill()
  const cluster = await start()
  expect(await startTimeOf(orphan)).toBeUndefined()
  expect(await countRows(cluster.ownerUrl)).toBe(100)
})

test('after kill -9 of owner and server a start has every committed row', async () => {
  const { owner, ownerUrl } = await ownUp()
  await writeRows(ownerUrl)
  const postmaster = await postmasterPid()
  await owner.kill()
  sendSignal(postmaster, 'SIGKILL')
  expect(await countRows((await start()).ownerUrl)).toBe(100)
})

test('a server killed with -9 is started again under a live owner, at the same address', async () => {
  const cluster = await start()
  await writeRows(cluster.ownerUrl)
  sendSignal(await postmasterPid(), 'SIGKILL')
  const rows = await vi.waitFor(() => countRows(cluster.ownerUrl), { timeout: 30_000 })
  expect(rows).toBe(100)
})

test('a start after kill -9 in the middle of initdb makes a whole cluster', async () => {
  const owner = own()
  const outcome = owner.outcome.catch((fault: unknown) => fault)
  await vi.waitFor(async () => stat(join(await draftFolder(), 'global', 'pg_control')), {
    interval: 2,
    timeout: 30_000,
  })
  await owner.kill()
  expect(await outcome).toBeInstanceOf(Error)
  const cluster = await start()
  await writeRows(cluster.ownerUrl)
  expect(await countRows(cluster.ownerUrl)).toBe(100)
  expect((await readdir(dataDir)).filter((name) => name.includes('init-'))).toEqual([])
})

async function draftFolder(): Promise<string> {
  const name = (await readdir(dataDir)).find((one) => /^postgres\.init-[0-9a-f]+$/.test(one))
  invariant(name, 'initdb is under way')
  return join(dataDir, name)
}

test('of two processes that start at once exactly one wins, and the other names it', async () => {
  const [first, second] = [own(), own()]
  const outcomes = await Promise.all([first.outcome, second.outcome])
  const winner = outcomes[0].kind === 'up' ? first : second
  expect(outcomes.map((outcome) => outcome.kind).toSorted()).toEqual(['refused', 'up'])
  const refused = outcomes.find((outcome) => outcome.kind === 'refused')
  expect(refused).toMatchObject({ code: 'data_dir_busy' })
  expect(refused).toMatchObject({ detail: expect.stringContaining(`process ${winner.pid} `) })
})

test('a stranger that reuses the pid of the server is left alone', async () => {
  await (await start()).stop()
  clusters.splice(0)
  const stranger = spawn('sleep', ['60'])
  const lines = [stranger.pid, join(dataDir, 'postgres'), 1, 5432, '', '', '', 'ready']
  await writeFile(join(dataDir, 'postgres', 'postmaster.pid'), lines.join('\n'))
  const cluster = await start()
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull()
  expect(cluster.ownerUrl).toContain('holdfast_owner')
  stranger.kill()
  await once(stranger, 'exit')
})

test('a folder of an initdb that died is removed, password file and all', async () => {
  await mkdir(join(dataDir, 'postgres.init-0123'))
  await writeFile(join(dataDir, 'postgres.init-0123.password'), 'x')
  await start()
  expect((await readdir(dataDir)).filter((name) => name.includes('init-'))).toEqual([])
})

test('a throwaway cluster leaves nothing behind', async () => {
  const cluster = await startThrowaway()
  const client = await connect(cluster.adminUrl)
  const { rows } = await client.query('select rolsuper from pg_roles where rolname = current_user')
  await client.end()
  await cluster.dispose()
  expect(rows).toEqual([{ rolsuper: true }])
  await expect(stat(cluster.dataDir)).rejects.toThrow(/ENOENT/)
})
