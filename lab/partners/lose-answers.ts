import { invariant, seededRandom } from '#kernel/index.ts'
import { pick } from '../incident/make-shop.ts'
import type { Parameters } from '../incident/parameters.ts'
import type { LabPartner } from './start-partners.ts'

/** Which requests of each partner (from 1) are taken and never answered; drawn by the seed. */
export function lostRequests(
  partners: readonly string[],
  parameters: Pick<Parameters, 'lostAnswers' | 'lostAmong'>,
  seed: number,
): ReadonlyMap<string, readonly number[]> {
  const random = seededRandom(seed + 1)
  return new Map(
    partners.map((id, index) => {
      const share = Math.ceil((parameters.lostAnswers - index) / partners.length)
      const places = pick(parameters.lostAmong, share, random)
      return [id, [...places].map((place) => place + 1).toSorted((a, b) => a - b)] as const
    }),
  )
}

/** The fault script of one partner: it commits, says nothing for a while and hangs up. */
export function silenceScript(requests: readonly number[], silenceMs: number): unknown {
  return requests.map((nth) => ({
    match: { method: 'POST', path: '/holdfast/v1/dispatches', nth },
    fault: 'lose_answer',
    value: silenceMs,
  }))
}

/** Gives every partner its script; from here on requests are counted. */
export async function loseAnswers(
  partners: readonly LabPartner[],
  parameters: Pick<Parameters, 'lostAnswers' | 'lostAmong' | 'silenceMs'>,
  seed: number,
): Promise<void> {
  const lost = lostRequests(
    partners.map(({ id }) => id),
    parameters,
    seed,
  )
  for (const { id, url } of partners) {
    const script = silenceScript(lost.get(id) ?? [], parameters.silenceMs)
    const answer = await fetch(`${url}/faults`, { method: 'PUT', body: JSON.stringify(script) })
    invariant(answer.ok, `${id} takes its fault script`)
  }
}
