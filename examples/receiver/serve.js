// The HTTP side: reads, checks, asks `create` and `recall`, answers. Look-ups need no more than the ledger.
import { createServer } from 'node:http'
import { createHash } from 'node:crypto'
import {
  checkDispatch,
  checkEnvelope,
  checkRecall,
  checkSignature,
  KEY,
  Refused,
  strictJson,
} from './checks.js'
import { list, lookUp } from './decisions.js'
import { openLedger } from './ledger.js'

const BODY_BYTES_MAX = 1_048_576
const PATH = '/holdfast/v1/dispatches'

/**
 * Serves HDP/1 on 127.0.0.1, behind a TLS proxy in real life. `create(ledger, dispatch, fenceEpoch)`
 * and `recall(ledger, { read, digest, fenceEpoch })` are given what was checked whole.
 */
export async function serve({ file, secrets, port = 0, create, recall }) {
  const ledger = await openLedger(file)
  const verbs = { create, recall }
  const server = createServer(async (request, response) => {
    try {
      const body = await readBody(request)
      const seen = ledger.state.highestSequence
      const said = await answer(ledger, secrets, verbs, request, body)
      const headers = { ...said.headers, 'holdfast-sequence-seen': String(seen) }
      send(response, { ...said, headers })
    } catch (fault) {
      if (response.destroyed) return
      if (fault instanceof Refused) refuse(response, fault)
      else {
        process.stderr.write(`${fault?.stack ?? fault}\n`)
        refuse(response, { status: 500, code: 'internal', more: {} })
      }
    }
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async stop() {
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
      await ledger.close()
    },
  }
}

async function answer(ledger, secrets, verbs, request, body) {
  const url = new URL(request.url, 'http://partner')
  const [key, verb, ...more] = url.pathname.startsWith(`${PATH}/`)
    ? url.pathname.slice(PATH.length + 1).split('/')
    : []
  const route = `${request.method} ${verb ?? (key === undefined ? url.pathname : 'dispatch')}`
  if (more.length > 0 || (key !== undefined && !KEY.test(key)))
    throw new Refused(404, 'route_unknown')
  if (route === `POST ${PATH}`) {
    const envelope = checkEnvelope(secrets, request.headers, body)
    if (envelope.fenceEpoch === undefined) throw new Refused(400, 'fence_epoch_invalid')
    const dispatch = checkDispatch(strictJson(body), envelope.key)
    return verbs.create(ledger, dispatch, envelope.fenceEpoch)
  }
  if (route === 'POST recall') {
    const envelope = checkEnvelope(secrets, request.headers, body)
    const read = checkRecall(strictJson(body), envelope.key, key)
    const digest = createHash('sha256').update(body).digest('hex')
    return verbs.recall(ledger, { read, digest, fenceEpoch: envelope.fenceEpoch })
  }
  if (route !== 'GET dispatch' && route !== `GET ${PATH}`) throw new Refused(404, 'route_unknown')
  checkSignature(secrets, request.headers, body)
  // Through the ledger's queue: what is not on the disk yet must not be confirmed.
  return ledger.transact(() =>
    key === undefined ? list(ledger.state, url.searchParams) : lookUp(ledger.state, key),
  )
}

async function readBody(request) {
  const length = request.headers['content-length']
  if (request.method !== 'GET' && length === undefined) throw new Refused(411, 'length_required')
  if (Number(length ?? 0) > BODY_BYTES_MAX) throw new Refused(413, 'body_too_large')
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function send(response, { status, headers = {}, body }, type = 'application/json') {
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(status, { 'content-type': type, 'content-length': bytes.length, ...headers })
  response.end(bytes)
}

function refuse(response, { status, code, more }) {
  const body = { type: 'about:blank', status, title: code, code, ...more }
  // A body that was not read would be parsed as the next request.
  const headers = response.req.complete ? {} : { connection: 'close' }
  send(response, { status, headers, body }, 'application/problem+json')
}
