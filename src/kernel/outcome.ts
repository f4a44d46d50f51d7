import type { RefusalCode } from './refusal.ts'

/**
 * One refusal: a stable code from the catalogue and where it points. `field` is a JSON path in the
 * input (`lines[2].qty`), `line` a 1-based line of an input file, `meta` bounded machine-readable facts.
 */
export type Refusal<C extends RefusalCode = RefusalCode> = {
  readonly code: C
  readonly detail: string
  readonly field?: string
  readonly line?: number
  readonly meta?: Readonly<Record<string, unknown>>
}

/** A refusal is an answer, not an accident: callers must look at it. */
export type Outcome<T, R extends Refusal = Refusal> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: R }

/** Wraps an accepted value. */
export function accept<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

/** Wraps a refusal. `detail` is for a person and never carries a secret or a stack. */
export function refuse<C extends RefusalCode>(
  code: C,
  detail: string,
  where: Omit<Refusal, 'code' | 'detail'> = {},
): { readonly ok: false; readonly refusal: Refusal<C> } {
  return { ok: false, refusal: { code, detail, ...where } }
}

/** A refusal that must cross a boundary that only knows exceptions (HTTP handler, CLI command). */
export class RefusedError extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super(`${refusal.code}: ${refusal.detail}`)
    this.name = 'RefusedError'
    this.refusal = refusal
  }
}

/** Unwraps an outcome at a boundary; throws `RefusedError` where it was refused. */
export function orThrow<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  throw new RefusedError(outcome.refusal)
}

/** For states we believe impossible. Failing loudly beats shipping twice. */
export function invariant(holds: unknown, claim: string): asserts holds {
  if (!holds) throw new Error(`invariant broken: ${claim}`)
}
