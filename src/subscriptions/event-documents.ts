import { z } from 'zod'
import { EVENT_NAMES, EVENT_TYPES } from './event-catalog.ts'
import type { EventName } from './event-catalog.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** The `webhooks` of the OpenAPI document: one entry an event, from the schemas of the catalog. */
export function webhookDocuments(): JsonObject {
  return Object.fromEntries(EVENT_NAMES.map((name) => [name, webhookOf(name)]))
}

function webhookOf(name: EventName): JsonObject {
  return {
    post: {
      operationId: `webhook_${name.replaceAll('.', '_')}`,
      summary: EVENT_TYPES[name].means,
      tags: ['webhooks'],
      parameters: ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((header) => ({
        name: header,
        in: 'header',
        required: true,
        schema: { type: 'string' },
      })),
      requestBody: {
        required: true,
        content: { 'application/json': { schema: eventSchema(name) } },
      },
      responses: {
        '2XX': { description: 'taken' },
        '410': { description: 'wants nothing any more: the subscription is paused' },
        default: { description: 'tried again under the same webhook-id' },
      },
    },
  }
}

function eventSchema(name: EventName): JsonObject {
  const { data, version } = EVENT_TYPES[name]
  const { $schema: _dialect, ...shape } = z.toJSONSchema(data)
  return {
    type: 'object',
    required: ['id', 'type', 'version', 'timestamp', 'data'],
    properties: {
      id: { type: 'string' },
      type: { const: name },
      version: { const: version },
      timestamp: { type: 'string', format: 'date-time' },
      data: shape,
    },
  }
}

/** Every event as a row of `docs/reference/events.md`: name, version, what it tells, fields. */
export function eventRows(): readonly (readonly [string, string, string, string])[] {
  return EVENT_NAMES.map((name) => {
    const { version, means, data } = EVENT_TYPES[name]
    const fields = Object.entries<z.ZodType>(data.shape).map(
      ([field, schema]) => `\`${field}\`${schema.safeParse(null).success ? '?' : ''}`,
    )
    return [`\`${name}\``, String(version), means, fields.join(', ')]
  })
}
