import { expect, test } from 'vitest'
import { readConfig, SETTINGS } from './config.ts'

const problemsOf = (env: Record<string, string>): unknown => {
  const outcome = readConfig(env)
  return outcome.ok ? [] : outcome.refusal.meta?.['problems']
}

test('an empty environment is the embedded default on loopback', () => {
  expect(readConfig({ PATH: '/bin' })).toEqual({
    ok: true,
    value: {
      databaseUrl: undefined,
      migrationDatabaseUrl: undefined,
      dataDir: './.holdfast',
      httpPort: 4000,
      grpcPort: 4001,
      host: '127.0.0.1',
      publicUrl: undefined,
      logLevel: 'info',
      dispatchTiming: 'standard',
      masterKeyFile: undefined,
      fulfillmentUrl: undefined,
    },
  })
})

test('every problem is reported at once', () => {
  expect(
    problemsOf({
      HOLDFAST_HTTP_PORT: '70000',
      HOLDFAST_GRPC_PORT: '4000.5',
      HOLDFAST_LOG_LEVEL: 'loud',
      HOLDFAST_DATABASE_URL: 'mysql://u:hunter2@db/x',
      HOLDFAST_PUBLIC_URL: 'https://shop.example/path',
      HOLDFAST_DATA_DIR: ' ',
    }),
  ).toHaveLength(6)
})

test('an unknown name is an error that names its nearest neighbour', () => {
  expect(problemsOf({ HOLDFAST_HTP_PORT: '1' })).toEqual([
    'HOLDFAST_HTP_PORT is not a setting of this build; the nearest is HOLDFAST_HTTP_PORT.',
  ])
})

test('a refused value is not repeated, since it may be a secret', () => {
  const outcome = readConfig({ HOLDFAST_DATABASE_URL: 'mysql://u:hunter2@db/x' })
  expect(outcome.ok).toBe(false)
  expect(JSON.stringify(outcome)).not.toContain('hunter2')
})

test('one port for both servers is refused, two free ports are not', () => {
  expect(problemsOf({ HOLDFAST_HTTP_PORT: '4001' })).toHaveLength(1)
  expect(problemsOf({ HOLDFAST_HTTP_PORT: '0', HOLDFAST_GRPC_PORT: '0' })).toEqual([])
})

test('every setting is named once', () => {
  expect(new Set(SETTINGS.map((setting) => setting.name)).size).toBe(SETTINGS.length)
})
