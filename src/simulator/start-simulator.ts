import { once } from 'node:events'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { invariant, orThrow } from '#kernel/index.ts'
import { checkConfig } from './config.ts'
import type { CheckedConfig, PartnerConfig, SimulatorConfig } from './config.ts'
import { startCourier } from './courier.ts'
import { openLedger } from './ledger.ts'
import { lockDataDir } from './lock-data-dir.ts'
import { partnerServer } from './serve-partner.ts'
import { openSettings } from './settings.ts'

/** The partners, listening on 127.0.0.1. */
export type Simulator = {
  readonly partners: readonly { readonly id: string; readonly url: string }[]
  /** Stops answering, brings the ledgers to the disk and lets go of the directory. */
  readonly stop: () => Promise<void>
}

type RunningPartner = {
  readonly id: string
  readonly url: string
  readonly stop: () => Promise<void>
}

/**
 * Starts every partner of the configuration. Throws `RefusedError` with `config_invalid` (all
 * problems at once) or `data_dir_busy` (another live simulator writes to the directory).
 */
export async function startSimulator(
  config: SimulatorConfig,
  log: (line: string) => void = (line) => process.stderr.write(`simulator: ${line}\n`),
): Promise<Simulator> {
  const checked = orThrow(checkConfig(config))
  await mkdir(checked.dataDir, { recursive: true, mode: 0o700 })
  const lock = orThrow(await lockDataDir(checked.dataDir))
  const running: RunningPartner[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((one) => one.stop()))
    await lock.release()
  }
  try {
    for (const partner of checked.partners) running.push(await startPartner(checked, partner, log))
  } catch (fault) {
    await stop()
    throw fault
  }
  return { partners: running.map(({ id, url }) => ({ id, url })), stop }
}

async function startPartner(
  config: CheckedConfig,
  partner: PartnerConfig,
  log: (line: string) => void,
): Promise<RunningPartner> {
  const folder = join(config.dataDir, partner.id)
  const settings = await openSettings(folder, partner)
  const ledger = await openLedger(join(folder, 'ledger.ndjson'), partner.id)
  const courier = startCourier({ config, partner, ledger, settings, log })
  const { callbackUrl } = config
  const onNews = courier.wake
  const server = partnerServer({ partner, ledger, settings, onNews, callbackUrl, log })
  const shut = async (): Promise<void> => {
    await courier.stop()
    await ledger.close()
    await settings.close()
  }
  try {
    const port = await listenWhereBefore(server, { partner, file: join(folder, 'port'), log })
    const stop = async (): Promise<void> => {
      await close(server)
      await shut()
    }
    return { id: partner.id, url: `http://127.0.0.1:${port}`, stop }
  } catch (fault) {
    await shut()
    throw fault
  }
}

/** A port once picked is kept: the dispatcher has the address in its own books. */
async function listenWhereBefore(
  server: Server,
  { partner, file, log }: { partner: PartnerConfig; file: string; log: (line: string) => void },
): Promise<number> {
  if (partner.port !== 0) return listen(server, partner.port)
  const kept = Number(await readFile(file, 'utf8').catch(() => '0')) || 0
  const port = await listen(server, kept).catch((fault: NodeJS.ErrnoException) => {
    if (fault.code !== 'EADDRINUSE') throw fault
    log(`${partner.id}: port ${kept} is taken; a new one is used from now on`)
    return listen(server, 0)
  })
  if (port !== kept) {
    await writeFile(`${file}.new`, String(port), { mode: 0o600, flush: true })
    await rename(`${file}.new`, file)
  }
  return port
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  invariant(address !== null && typeof address === 'object', 'a TCP server has a port')
  return address.port
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  // Answers under way get a moment; a stalled client does not hold up the end.
  const timer = setTimeout(() => server.closeAllConnections(), 1_000)
  server.closeIdleConnections()
  await closed
  clearTimeout(timer)
}
