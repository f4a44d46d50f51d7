import type { IncomingMessage } from 'node:http'
import type { Ledger } from './ledger.ts'
import { json, problem } from './problem.ts'
import type { Answer } from './problem.ts'
import { readBody } from './read-body.ts'
import { ledgerSummary } from './report-ledger.ts'
import type { PartnerSettings } from './settings.ts'
import type { PartnerName } from './shipment.ts'
import { strictJson } from './strict-json.ts'

/**
 * The routes of whoever runs the simulation, beside HDP/1: health, summary, faults, profile and
 * secrets. `undefined` where the client went away.
 */
export async function operatePartner(
  around: {
    readonly partner: PartnerName
    readonly ledger: Ledger
    readonly settings: PartnerSettings
  },
  request: IncomingMessage,
  path: string,
): Promise<Answer | undefined> {
  const { partner, ledger, settings } = around
  const read: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
    '/healthz': () => json(200, { status: 'ok', partner: partner.id }),
    '/ledger/summary': () => ledgerSummary(ledger, partner),
    '/faults': () => settings.faults.show(),
    '/profile': () => json(200, settings.profile()),
  }
  const write: Readonly<Record<string, (value: unknown) => Promise<Answer>>> = {
    '/faults': settings.putFaults,
    '/profile': settings.putProfile,
    '/secrets': settings.putSecrets,
  }
  const get = request.method === 'GET' ? read[path] : undefined
  if (get) return get()
  const put = request.method === 'PUT' ? write[path] : undefined
  if (!put) return problem('route_unknown')
  const body = await readBody(request)
  return body?.ok ? put(strictJson(body.value)) : body?.answer
}
