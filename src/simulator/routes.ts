import { Webhook } from 'standardwebhooks'
import { acceptDispatch } from './accept-dispatch.ts'
import type { PartnerConfig } from './config.ts'
import { judgeEnvelope, judgeSignature, KEY } from './judge-request.ts'
import type { Received } from './judge-request.ts'
import type { Append, Ledger } from './ledger.ts'
import { listDispatches, lookUpDispatch } from './look-up-dispatch.ts'
import { against, problem } from './problem.ts'
import type { Answer, Judged } from './problem.ts'
import { readDispatch } from './read-dispatch.ts'
import { readRecall, recallDispatch } from './recall-dispatch.ts'

/** A request of HDP/1 as the routes see it. */
export type ProtocolRequest = Received & {
  readonly method: string
  readonly url: URL
  readonly isDeduped: boolean
}

/** Where the dispatches live. */
export const DISPATCHES = '/holdfast/v1/dispatches'

/** Answers HDP/1 for one partner. `onNews` is called after every acceptance. */
export function protocolRoutes(
  partner: PartnerConfig,
  ledger: Ledger,
  onNews: () => void,
): (request: ProtocolRequest) => Promise<Answer> {
  const webhook = new Webhook(partner.dispatchSecret)

  const decide = async (work: (append: Append) => Answer): Promise<Answer> =>
    (await ledger.transact(work)) ?? overloaded()

  const create = async (request: ProtocolRequest): Promise<Answer> => {
    const envelope = judgeEnvelope(webhook, request)
    if (!envelope.ok) return envelope.answer
    const { key, fenceEpoch } = envelope.value
    if (fenceEpoch === undefined) return problem('fence_epoch_invalid')
    const dispatch = judgeKey(readDispatch(request.body), key)
    if (!dispatch.ok) return dispatch.answer
    const terms = { fenceEpoch, isDeduped: request.isDeduped }
    const answer = await decide((append) =>
      acceptDispatch(ledger.state, append, dispatch.value, terms),
    )
    if (answer.status === 201) onNews()
    return answer
  }

  const recall = async (request: ProtocolRequest, recalled: string): Promise<Answer> => {
    const envelope = judgeEnvelope(webhook, request)
    if (!envelope.ok) return envelope.answer
    const { key, fenceEpoch } = envelope.value
    const read = judgeKey(readRecall(request.body), key)
    if (!read.ok) return read.answer
    if (read.value.recalls !== recalled) return problem('key_mismatch')
    const asked = { recall: read.value, fenceEpoch, partner }
    return decide((append) => recallDispatch(ledger.state, append, asked))
  }

  const look = async (request: ProtocolRequest, key: string | undefined): Promise<Answer> => {
    const signed = judgeSignature(webhook, request)
    if (!signed.ok) return signed.answer
    // Through the lane: an acceptance that is not on the disk yet must not be confirmed.
    return decide(() =>
      key === undefined
        ? listDispatches(ledger.state, request.url.searchParams)
        : lookUpDispatch(ledger.state, key),
    )
  }

  return async (request) => {
    const route = routeOf(request.url.pathname)
    if (!route) return problem('route_unknown')
    const isWrite = request.method === 'POST'
    if (!isWrite && request.method !== 'GET') return problem('method_not_allowed')
    if (route.isRecall) return isWrite ? recall(request, route.key) : problem('method_not_allowed')
    if (isWrite) return route.key === undefined ? create(request) : problem('method_not_allowed')
    return look(request, route.key)
  }
}

function overloaded(): Answer {
  const answer = problem('overloaded')
  return { ...answer, headers: { ...answer.headers, 'retry-after': '1' } }
}

type Route =
  | { readonly isRecall: true; readonly key: string }
  | { readonly isRecall: false; readonly key: string | undefined }

function routeOf(path: string): Route | undefined {
  if (path === DISPATCHES) return { isRecall: false, key: undefined }
  if (!path.startsWith(`${DISPATCHES}/`)) return undefined
  const [key = '', verb, ...more] = path.slice(DISPATCHES.length + 1).split('/')
  if (!KEY.test(key) || more.length > 0) return undefined
  if (verb === undefined) return { isRecall: false, key }
  return verb === 'recall' ? { isRecall: true, key } : undefined
}

/** The dispatch key that an address names, for fault rules. */
export function keyInPath(path: string): string | undefined {
  return routeOf(path)?.key
}

// The signature covers the body alone, so the header's key counts only where the body repeats it.
function judgeKey<T extends { readonly key: string }>(read: Judged<T>, key: string): Judged<T> {
  if (!read.ok || read.value.key === key) return read
  return against('key_mismatch')
}
