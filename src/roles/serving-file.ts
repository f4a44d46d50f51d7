import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '#platform/embedded/index.ts'
import type { Config } from '#platform/index.ts'

const serving = z.object({ grpc_url: z.url() })
const pathIn = (dataDir: string): string => join(dataDir, 'serving.json')

/** Writes down where a running `up` takes hand-overs, for commands in the same data directory. */
export async function tellServing(dataDir: string, grpcUrl: string): Promise<void> {
  await replaceFile(pathIn(dataDir), JSON.stringify({ grpc_url: grpcUrl }))
}

/**
 * Where a command reaches fulfillment: what is configured, else what the `up` of the embedded database
 * wrote down (its port may have been picked for it), else the configured port of this host.
 */
export async function fulfillmentUrl(config: Config): Promise<string> {
  if (config.fulfillmentUrl) return config.fulfillmentUrl
  const own = `http://${config.host}:${config.grpcPort}`
  if (config.databaseUrl) return own
  const text = await readFile(pathIn(config.dataDir), 'utf8').catch(() => undefined)
  const told = text === undefined ? undefined : serving.safeParse(parse(text))
  return told?.success === true ? told.data.grpc_url : own
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
