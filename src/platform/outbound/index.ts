export { checkNetwork, isPublicAddress, isRefusedLiteral, networksFor } from './address-policy.ts'
export { networksOf, urlFault } from './address-rule.ts'
export { openOutbound } from './send-request.ts'
export type { Outbound, OutboundLimits, OutboundRequest, OutboundResult } from './send-request.ts'
