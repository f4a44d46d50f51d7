import { setTimeout as pause } from 'node:timers/promises'
import type { Partner } from '#partners/index.ts'
import { askManifestPage } from '../reconcile/ask-manifest.ts'
import type { AskDeps, ManifestEntry } from '../reconcile/ask-manifest.ts'
import type { HandshakeAnswer } from './judge-handshake.ts'

/** The longest wait for one answer, in milliseconds. */
export const HANDSHAKE_MAX_MS = 2_000

/** Pages of one handshake. A longer list proves nothing by its absence: the lane stays shut and is asked again. */
const PAGES_MAX = 20

/**
 * Asks a partner for its manifest after `after`: one request, unless more than a page of newer entries is there.
 * An answer that does not come within two seconds is none.
 */
export async function askPartner(
  deps: AskDeps,
  partner: Partner,
  after: number,
): Promise<HandshakeAnswer> {
  const entries: ManifestEntry[] = []
  let cursor = after
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const asked = await inTime(askManifestPage(deps, partner, cursor))
    if (!asked) return { kind: 'no_answer', code: 'timeout' }
    const { page, seen } = asked
    const header = seen === undefined ? {} : { seen }
    if (!page.ok) {
      return page.refusal.code === 'manifest_unsupported'
        ? { kind: 'no_lists', ...header }
        : { kind: 'no_answer', code: page.refusal.detail }
    }
    entries.push(...page.value.entries)
    if (page.value.next === null) return { kind: 'lists', entries, ...header }
    cursor = page.value.next
  }
  // The rest is unread, so what was read cannot clear the lane; it can still prove our books older.
  return { kind: 'lists', entries, isCut: true }
}

async function inTime<T>(answer: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController()
  try {
    return await Promise.race([
      answer,
      pause(HANDSHAKE_MAX_MS, undefined, { signal: timer.signal, ref: false }),
    ])
  } finally {
    timer.abort()
  }
}
