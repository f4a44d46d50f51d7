import { SCOPES } from '#platform/index.ts'
import type { Scope } from '#platform/index.ts'

const READS = SCOPES.filter((scope) => scope.endsWith(':read'))

/** What a person who logs in may do. API keys name their scopes one by one instead. */
export const ROLES = {
  owner: SCOPES,
  operator: SCOPES.filter((scope) => scope !== 'admin:write'),
  reviewer: [...READS, 'orders:decide'],
  viewer: READS,
} as const satisfies Record<string, readonly Scope[]>

/** The name of a role. */
export type Role = keyof typeof ROLES

/** The scopes of a stored role; a role that this build does not know may do nothing. */
export function scopesOfRole(role: string): ReadonlySet<Scope> {
  const known = Object.entries(ROLES).find(([name]) => name === role)
  return new Set(known?.[1])
}

/** The scopes among stored texts; a text that this build does not know gives nothing. */
export function scopesOf(texts: readonly string[]): ReadonlySet<Scope> {
  return new Set(SCOPES.filter((scope) => texts.includes(scope)))
}
