export { isPublicAddress, isRefusedLiteral } from './address-policy.ts'
export { openOutbound } from './send-request.ts'
export type { Outbound, OutboundLimits, OutboundRequest, OutboundResult } from './send-request.ts'
