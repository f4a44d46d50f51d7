import { z } from 'zod'
import { REFUSALS } from '#kernel/index.ts'
import type { Access, AnyRoute } from './route.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** What an API says of itself; `webhooks` are those it sends (OpenAPI 3.1). */
export type ApiAbout = {
  readonly title: string
  readonly version: string
  readonly url?: string
  readonly webhooks?: JsonObject
  /** Named schemas of the domain, beside those of the house. */
  readonly schemas?: JsonObject
}

/** The OpenAPI 3.1 document of these routes, from the very schemas that validate them. */
export function openApi(routes: readonly AnyRoute[], about: ApiAbout): JsonObject {
  const paths: Record<string, Record<string, JsonObject>> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: { title: about.title, version: about.version, license: { name: 'Apache-2.0' } },
    ...(about.url ? { servers: [{ url: about.url }] } : {}),
    paths,
    ...(about.webhooks ? { webhooks: about.webhooks } : {}),
    components: {
      securitySchemes: {
        api_key: { type: 'http', scheme: 'bearer', description: 'hfk_<id>_<secret>' },
        order_token: { type: 'http', scheme: 'bearer', description: 'the token of the order' },
        session: { type: 'apiKey', in: 'cookie', name: 'holdfast_session' },
        webhook: { type: 'apiKey', in: 'header', name: 'webhook-signature' },
      },
      schemas: { Problem: PROBLEM, ...about.schemas },
    },
  }
}

const PROBLEM: JsonObject = {
  type: 'object',
  description: 'RFC 9457',
  required: ['type', 'title', 'status', 'code', 'detail', 'request_id'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(REFUSALS) },
    detail: { type: 'string' },
    field: { type: 'string', description: 'JSON path of the first bad field' },
    line: { type: 'integer', description: '1-based line of an input file' },
    errors: {
      type: 'array',
      maxItems: 20,
      items: {
        type: 'object',
        required: ['field', 'detail'],
        properties: { field: { type: 'string' }, detail: { type: 'string' } },
      },
    },
    meta: { type: 'object' },
    request_id: { type: 'string' },
  },
}

function operation(route: AnyRoute): JsonObject {
  const parameters = [
    ...parametersOf(route, 'path', route.params),
    ...parametersOf(route, 'query', route.query),
  ]
  const mediaType =
    route.bodyFormat === 'form' ? 'application/x-www-form-urlencoded' : 'application/json'
  return {
    operationId: operationId(route),
    summary: route.summary,
    tags: [route.path.split('/')[1] ?? ''],
    security: securityOf(route.access),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body
      ? {
          requestBody: {
            required: true,
            content: { [mediaType]: { schema: schemaOf(route.body) } },
          },
        }
      : {}),
    responses: {
      '2XX': { description: 'done' },
      default: {
        description: 'refused',
        content: {
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
        },
      },
    },
    'x-holdfast-audit': 'action' in route.audit ? route.audit.action : `none: ${route.audit.none}`,
  }
}

function parametersOf(
  route: AnyRoute,
  place: 'path' | 'query',
  schema: z.ZodType | undefined,
): readonly JsonObject[] {
  const shape = schema ? schemaOf(schema) : {}
  const properties = objectOf(shape['properties'])
  const required = Array.isArray(shape['required']) ? shape['required'] : []
  const names =
    place === 'path'
      ? [...route.path.matchAll(/:(\w+)/g)].map((match) => match[1] ?? '')
      : Object.keys(properties)
  return names.map((name) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: properties[name] ?? { type: 'string' },
  }))
}

function schemaOf(schema: z.ZodType): JsonObject {
  const { $schema: _dialect, ...shape } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
  })
  return shape
}

function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function operationId(route: AnyRoute): string {
  const words = route.path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '')
  return [route.method.toLowerCase(), ...words].join('_')
}

function securityOf(access: Access): readonly JsonObject[] {
  switch (access.kind) {
    case 'public':
      return [{}]
    case 'order_token':
      return [{ order_token: [] }]
    case 'signature':
      return [{ webhook: [] }]
    case 'internal':
      return [{ api_key: [] }]
    case 'scope':
      return [{ api_key: [access.scope] }, { session: [access.scope] }]
    default:
      return access satisfies never
  }
}
