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

test('what Kubernetes adds for a Service named holdfast is passed over', () => {
  const service = (name: string, port: string) => ({
    [`${name}_SERVICE_HOST`]: '10.96.7.1',
    [`${name}_SERVICE_PORT`]: port,
    [`${name}_SERVICE_PORT_HTTP`]: port,
    [`${name}_PORT`]: `tcp://10.96.7.1:${port}`,
    [`${name}_PORT_${port}_TCP`]: `tcp://10.96.7.1:${port}`,
    [`${name}_PORT_${port}_TCP_PROTO`]: 'tcp',
    [`${name}_PORT_${port}_TCP_PORT`]: port,
    [`${name}_PORT_${port}_TCP_ADDR`]: '10.96.7.1',
  })
  const env = { ...service('HOLDFAST', '80'), ...service('HOLDFAST_HTTP', '8080') }
  expect(readConfig(env)).toMatchObject({ ok: true, value: { httpPort: 4000 } })
  expect(readConfig({ ...env, HOLDFAST_HTTP_PORT: '4711' })).toMatchObject({
    value: { httpPort: 4711 },
  })
})

test.each([
  ['HOLDFAST_PORT', '4000'],
  ['HOLDFAST_HTP_PORT', '4000'],
  ['HOLDFAST_HTTP_PORTS', 'tcp://10.0.0.1:80'],
  ['HOLDFAST_SERVICE_PORT', 'four'],
  ['HOLDFAST_SERVICE', '10.0.0.1'],
])('%s=%s is a misspelt setting, not a variable of a Service', (name, value) => {
  expect(problemsOf({ [name]: value })).toHaveLength(1)
})
