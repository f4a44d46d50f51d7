import { create } from '@bufbuild/protobuf'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { HAND_OVER_LIMITS, SCHEMA_VERSION } from './envelope.ts'
import { GetLimitsResponseSchema } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { GetLimitsResponse } from './gen/holdfast/fulfillment/v1/handoff_pb.js'

/** The limits of this end; `messageBytesMax` is what its gRPC stack was given, in bytes. */
export function ownLimits(messageBytesMax: number): GetLimitsResponse {
  return create(GetLimitsResponseSchema, {
    schemaVersion: SCHEMA_VERSION,
    messageBytesMax,
    ...HAND_OVER_LIMITS,
  })
}

/**
 * Compares the limits of both ends, each in both directions: a batch that one end may seal and the
 * other cuts off or refuses is found before the first one travels. Refuses `handover_limits_differ`.
 */
export function agreeOnLimits(
  own: GetLimitsResponse,
  other: GetLimitsResponse,
): Outcome<void, Refusal<'handover_limits_differ'>> {
  const differing = GetLimitsResponseSchema.fields.flatMap(({ name, localName }) => {
    const [ours, theirs] = [Reflect.get(own, localName), Reflect.get(other, localName)]
    return ours === theirs ? [] : [`${name} is ${String(ours)} here and ${String(theirs)} there`]
  })
  if (differing.length === 0) return accept(undefined)
  return refuse('handover_limits_differ', `${differing.join(', ')}.`)
}
