import type { z } from 'zod'
import type { Outcome, RefusalCode } from '#kernel/index.ts'

/** What an API key or a role may do. A route or RPC names exactly one. */
export const SCOPES = [
  'orders:submit',
  'orders:read',
  'orders:decide',
  'orders:change',
  'catalog:write',
  'inventory:read',
  'inventory:write',
  'fulfillment:read',
  'fulfillment:operate',
  'partners:write',
  'flags:write',
  'events:read',
  'webhooks:read',
  'webhooks:write',
  'admin:read',
  'admin:write',
] as const
/** One of `SCOPES`. */
export type Scope = (typeof SCOPES)[number]

/**
 * Who may call. `public`: anyone. `order_token`: the bearer of the order's own token, checked by the
 * handler's verb. `signature`: a partner, by Standard Webhooks over the raw bytes. `scope`: an API key
 * or a session that has it. `internal`: another role of this installation.
 */
export type Access =
  | { readonly kind: 'public' | 'order_token' | 'signature' | 'internal' }
  | { readonly kind: 'scope'; readonly scope: Scope }

/** Who is calling, as the audit table names it: `public`, `key:key_…`, `person:ada`, `cli:root`. */
export type Caller = { readonly actor: string; readonly scopes: ReadonlySet<Scope> }

/** What a handler sees: validated input, the caller, and the raw bytes of the body. */
export type RouteRequest<B, Q, P> = {
  readonly body: B
  readonly query: Q
  readonly params: P
  readonly caller: Caller
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly rawBody: Buffer
  /** Path and query as they came, for what is remembered by its address. */
  readonly url: string
  readonly requestId: string
}

/** A reply: JSON unless `contentType` says otherwise (then `body` is text, or a stream of it). */
export type RouteReply = {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly contentType?: string
}

/** One HTTP route with its declaration of access and audit. Without either it does not type-check. */
export type Route<B = unknown, Q = unknown, P = unknown> = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Fastify path, `:name` for parameters. */
  readonly path: string
  readonly summary: string
  readonly access: Access
  /** The action it writes to the audit table, or why it writes none. */
  readonly audit: { readonly action: string } | { readonly none: 'read' | 'event_log' }
  readonly body?: z.ZodType<B>
  readonly query?: z.ZodType<Q>
  readonly params?: z.ZodType<P>
  /** `form` takes application/x-www-form-urlencoded, for pages; JSON (RFC 8259) where absent. */
  readonly bodyFormat?: 'json' | 'form'
  /** Largest body in bytes; 64 KiB where absent. */
  readonly bodyMaxBytes?: number
  /** The longest time until the answer, in milliseconds; `REQUEST_MAX_MS` (10 s) where absent. */
  readonly answerMaxMs?: number
  readonly handle: (request: RouteRequest<B, Q, P>) => Promise<Outcome<RouteReply>>
  /** Told of the code of each request that is refused, also where it never came to `handle`. */
  readonly onRefused?: (code: RefusalCode) => void
  /**
   * A reply that is remembered for exactly this path and query, and still good. Asked before anything
   * else for a GET without a credential, so that only a public GET route may have one.
   */
  readonly recall?: (
    url: string,
    headers: RouteRequest<B, Q, P>['headers'],
  ) => RouteReply | undefined
}

/** A route whose input types have been forgotten, as the server keeps it. */
export type AnyRoute = Route<never, never, never>

/** Declares a route; the input types follow from the schemas. */
export function route<B = undefined, Q = undefined, P = undefined>(
  declared: Route<B, Q, P>,
): AnyRoute {
  // The server validates with the route's own schemas before it calls the handler.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return declared as unknown as AnyRoute
}
