import { acceptDispatch } from './accept-dispatch.ts'
import type { Strike } from './faults.ts'
import { judgeEnvelope, judgeSignature, KEY } from './judge-request.ts'
import type { Received } from './judge-request.ts'
import type { Append, Ledger } from './ledger.ts'
import { listDispatches, listShipments, lookUpDispatch } from './look-up-dispatch.ts'
import { against, problem } from './problem.ts'
import type { Answer, Judged } from './problem.ts'
import { hiddenForMs } from './profile.ts'
import { PINGS, readPing } from './pull-dispatch.ts'
import type { puller } from './pull-dispatch.ts'
import { readDispatch } from './read-dispatch.ts'
import { readRecall, recallDispatch } from './recall-dispatch.ts'
import type { PartnerSettings } from './settings.ts'
import type { PartnerName } from './shipment.ts'

/** A request of HDP/1 as the routes see it. */
export type ProtocolRequest = Received & {
  readonly method: string
  readonly url: URL
  readonly strike: Strike
}

/** Where the dispatches live. */
export const DISPATCHES = '/holdfast/v1/dispatches'
const SHIPMENTS = '/holdfast/v1/shipments'

/** Answers HDP/1 for one partner. `onNews` is called after every acceptance. */
export function protocolRoutes(
  partner: PartnerName,
  ledger: Ledger,
  settings: PartnerSettings,
  onNews: () => void,
  pull: ReturnType<typeof puller>,
): (request: ProtocolRequest) => Promise<Answer> {
  const { state } = ledger
  const decide = async (work: (append: Append) => Answer): Promise<Answer> => {
    let seen = 0
    const answer = await ledger.transact((append) => {
      seen = state.bySequence.at(-1)?.sequence ?? 0
      return work(append)
    })
    if (!answer) return overloaded()
    const { dedupe, manifest } = settings.profile()
    if (!dedupe || !manifest) return answer
    // What the ledger held before this request: a sender sees by it that a restore lost its work.
    return { ...answer, headers: { ...answer.headers, 'holdfast-sequence-seen': String(seen) } }
  }

  const create = async (request: ProtocolRequest, isProbesOnly = false): Promise<Answer> => {
    const envelope = judgeEnvelope(settings.secrets().dispatch, request)
    if (!envelope.ok) return envelope.answer
    const { key, fenceEpoch } = envelope.value
    if (fenceEpoch === undefined) return problem('fence_epoch_invalid')
    const dispatch = judgeKey(readDispatch(request.body), key)
    if (!dispatch.ok) return dispatch.answer
    if (isProbesOnly && dispatch.value.probe !== true) return problem('route_unknown')
    const { strike } = request
    const before = state.dispatches.length
    const answer = await decide((append) => {
      const terms = { fenceEpoch, profile: settings.profile(), strike, now: new Date() }
      return acceptDispatch(state, append, dispatch.value, terms)
    })
    if (state.dispatches.length !== before) onNews()
    return answer
  }

  // The ping is judged like a dispatch, and so is what was fetched.
  const pinged = async (request: ProtocolRequest): Promise<Answer> => {
    const envelope = judgeEnvelope(settings.secrets().dispatch, request)
    if (!envelope.ok) return envelope.answer
    const ping = judgeKey(readPing(request.body), envelope.value.key)
    if (!ping.ok) return ping.answer
    const fetched = await pull(ping.value.key, settings.secrets().event).catch(() => undefined)
    return fetched ? create({ ...request, ...fetched }) : overloaded()
  }

  const recall = async (request: ProtocolRequest, recalled: string): Promise<Answer> => {
    const envelope = judgeEnvelope(settings.secrets().dispatch, request)
    if (!envelope.ok) return envelope.answer
    const { key, fenceEpoch } = envelope.value
    const read = judgeKey(readRecall(request.body), key)
    if (!read.ok) return read.answer
    if (read.value.recalls !== recalled) return problem('key_mismatch')
    const asked = { recall: read.value, fenceEpoch, partner, profile: settings.profile() }
    return decide((append) => recallDispatch(state, append, asked))
  }

  const look = async (request: ProtocolRequest, route: Route): Promise<Answer> => {
    const signed = judgeSignature(settings.secrets().dispatch, request)
    if (!signed.ok) return signed.answer
    const { strike } = request
    const lagMs = strike.fault === 'stale_lookup' ? (strike.value ?? 50) : 0
    const hiddenFrom = new Date(Date.now() - Math.max(lagMs, hiddenForMs(settings.profile())))
    const query = request.url.searchParams
    if (route.kind === 'shipments') {
      await ledger.transact(() => {})
      return listShipments(ledger, partner, query)
    }
    // Through the lane: an acceptance that is not on the disk yet must not be confirmed.
    return decide(() =>
      route.kind === 'dispatch'
        ? lookUpDispatch(state, route.key, hiddenFrom)
        : listDispatches(state, query, hiddenFrom),
    )
  }

  return async (request) => {
    const { method, strike } = request
    const route = routeOf(request.url.pathname)
    if (!route) return problem('route_unknown')
    if (method !== 'POST' && method !== 'GET') return problem('method_not_allowed')
    const { lookup, recall: canRecall, manifest, delivery } = settings.profile()
    if (strike.fault === 'partner_restore') await restore(ledger, strike.value ?? 1)
    if (route.kind === 'recall') {
      if (!canRecall) return problem('route_unknown')
      return method === 'POST' ? recall(request, route.key) : problem('method_not_allowed')
    }
    // A probe carries nothing of an order: whoever fetches its dispatches takes it as it comes.
    const isPull = delivery === 'pull'
    if (route.kind === 'pings' && !isPull) return problem('route_unknown')
    if (method === 'POST' && route.kind === 'pings') return pinged(request)
    if (method === 'POST')
      return route.kind === 'dispatches' ? create(request, isPull) : problem('method_not_allowed')
    if (route.kind === 'pings') return problem('method_not_allowed')
    const isThere = route.kind === 'dispatch' ? lookup : manifest
    return isThere ? look(request, route) : problem('route_unknown')
  }
}

// The backup of a while ago is put back before this request is answered.
async function restore(ledger: Ledger, forgot: number): Promise<void> {
  if (forgot < 1) return
  await ledger.transact((append) => append({ t: 'restored', at: new Date().toISOString(), forgot }))
}

function overloaded(): Answer {
  const answer = problem('overloaded')
  return { ...answer, headers: { ...answer.headers, 'retry-after': '1' } }
}

type Route =
  | { readonly kind: 'dispatches' | 'pings' | 'shipments' }
  | { readonly kind: 'dispatch' | 'recall'; readonly key: string }

function routeOf(path: string): Route | undefined {
  if (path === DISPATCHES) return { kind: 'dispatches' }
  if (path === PINGS) return { kind: 'pings' }
  if (path === SHIPMENTS) return { kind: 'shipments' }
  if (!path.startsWith(`${DISPATCHES}/`)) return undefined
  const [key = '', verb, ...more] = path.slice(DISPATCHES.length + 1).split('/')
  if (!KEY.test(key) || more.length > 0) return undefined
  if (verb === undefined) return { kind: 'dispatch', key }
  return verb === 'recall' ? { kind: 'recall', key } : undefined
}

/** The dispatch key that an address names, for fault rules. */
export function keyInPath(path: string): string | undefined {
  const route = routeOf(path)
  return route && 'key' in route ? route.key : undefined
}

// The signature covers the body alone, so the header's key counts only where the body repeats it.
function judgeKey<T extends { readonly key: string }>(read: Judged<T>, key: string): Judged<T> {
  if (!read.ok || read.value.key === key) return read
  return against('key_mismatch')
}
