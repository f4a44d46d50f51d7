import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { PartnerConfig } from './config.ts'
import type { Strike } from './faults.ts'
import { idempotencyKey } from './judge-request.ts'
import type { Ledger } from './ledger.ts'
import { operatePartner } from './operate-partner.ts'
import { json, problem } from './problem.ts'
import type { Answer } from './problem.ts'
import { puller } from './pull-dispatch.ts'
import { readBody } from './read-body.ts'
import { ledgerRows } from './report-ledger.ts'
import { keyInPath, protocolRoutes } from './routes.ts'
import type { PartnerSettings } from './settings.ts'

type Exchange = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
}

/** The HTTP server of one partner: HDP/1, and beside it the ledger and faults for the outside judge. */
export function partnerServer(around: {
  readonly partner: PartnerConfig
  readonly ledger: Ledger
  readonly settings: PartnerSettings
  readonly onNews: () => void
  /** Where Holdfast is, for what is fetched from it. */
  readonly callbackUrl: string
  readonly log: (line: string) => void
}): Server {
  const { partner, ledger, settings, log } = around
  const pull = puller(around.callbackUrl, partner.id)
  const protocol = protocolRoutes(partner, ledger, settings, around.onNews, pull)
  const { faults } = settings

  const operate = async ({ request, response, url }: Exchange): Promise<Answer | undefined> => {
    if (`${request.method} ${url.pathname}` !== 'GET /ledger')
      return operatePartner(around, request, url.pathname)
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    await pipeline(Readable.from(ledgerRows(ledger, partner)), response)
    return undefined
  }

  const converse = async ({ request, response, url }: Exchange): Promise<void> => {
    const method = request.method ?? ''
    const key = idempotencyKey(request.headers) ?? keyInPath(url.pathname)
    const strike = faults.draw({ method, path: url.pathname, key })
    if (strike.fault === 'reset') {
      request.socket.resetAndDestroy()
      return
    }
    const body = await readBody(request)
    if (!body) return
    const answerNow = (): Promise<Answer> =>
      body.ok
        ? protocol({
            method,
            url,
            headers: request.headers,
            body: body.value,
            strike,
          })
        : Promise.resolve(body.answer)
    if (strike.fault === 'ghost') {
      response.destroy()
      await pause(strike.value ?? 50, undefined, { ref: false })
      await answerNow()
      return
    }
    const instead = answerInstead(strike)
    if (instead === 'lost') await lose(response, strike)
    else if (instead) send(response, instead)
    else await bend(response, await answerNow(), strike)
  }

  return createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const url = URL.parse(request.url ?? '/', 'http://partner') ?? new URL('http://partner/')
    const exchange = { request, response, url }
    const isProtocol = url.pathname.startsWith('/holdfast/')
    const handled = isProtocol
      ? converse(exchange)
      : operate(exchange).then((answer) => answer && send(response, answer))
    handled.catch((fault: unknown) => {
      if (response.destroyed) return
      log(`${partner.id}: ${String(fault)}`)
      if (response.headersSent) response.destroy()
      else send(response, problem('internal'))
    })
  })
}

/** What is answered without doing anything, where a fault says so. */
function answerInstead(strike: Strike): Answer | 'lost' | undefined {
  const retry = strike.retryAfter
  if (strike.fault === 'lose_request') return 'lost'
  if (strike.fault === '429') {
    const limited = problem('rate_limited')
    return { ...limited, headers: { ...limited.headers, 'retry-after': String(retry ?? 1) } }
  }
  if (strike.fault !== 'status') return undefined
  const headers = retry === undefined ? undefined : { 'retry-after': String(retry) }
  // Without a code, as whatever stands in front of a partner answers.
  return json(strike.value ?? 503, { status: strike.value ?? 503 }, headers)
}

/** Sends the answer as the fault distorts it; the work is done and on the disk by now. */
async function bend(response: ServerResponse, answer: Answer, strike: Strike): Promise<void> {
  const { fault, value } = strike
  if (fault === 'lose_answer') return lose(response, strike)
  if (fault === 'truncate_answer') return truncate(response, answer)
  if (fault === 'delay_ms') await pause(value ?? 50, undefined, { ref: false })
  send(response, distort(answer, strike))
}

function distort(answer: Answer, { fault, value = 500 }: Strike): Answer {
  if (fault === '500_after_commit') return json(value, { status: value, code: 'fault' })
  if (fault !== 'wrong_echo') return answer
  const wrong = '"content_sha256":"00000000'
  return { ...answer, body: answer.body.replace(/"content_sha256":"[0-9a-f]{8}/, wrong) }
}

async function lose(response: ServerResponse, strike: Strike): Promise<void> {
  if (strike.value !== undefined) await pause(strike.value, undefined, { ref: false })
  response.destroy()
}

function truncate(response: ServerResponse, answer: Answer): void {
  const bytes = Buffer.from(answer.body)
  response.writeHead(answer.status, { ...answer.headers, 'content-length': bytes.length })
  response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy())
}

function send(response: ServerResponse, answer: Answer): void {
  const bytes = Buffer.from(answer.body)
  response.writeHead(answer.status, { ...answer.headers, 'content-length': bytes.length })
  response.end(bytes)
  // A body that was not read (413, 411) would be parsed as the next request.
  if (!response.req.complete) response.once('finish', () => response.req.socket.destroySoon())
}
