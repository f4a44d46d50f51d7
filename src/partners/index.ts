export type { Partner, PartnerGrade } from './partner.ts'
export { registerPartner } from './register-partner.ts'
export type { NewPartner, RegisteredPartner } from './register-partner.ts'
export { findPartner, listPartners } from './list-partners.ts'
export {
  allowNetworks,
  gradePartner,
  pausePartner,
  resumePartner,
  setDelivery,
} from './change-partner.ts'
export type { PartnerChange } from './change-partner.ts'
export { partnerSecrets, partnerSecretStates, ringOf } from './partner-secrets.ts'
export type { PartnerSecrets, SecretDirection } from './partner-secrets.ts'
export { retirePartnerSecret, rotatePartnerSecret } from './change-secret.ts'
export { partnerPauseRoutes } from './pause-partner.http.ts'
export { partnerSecretRoutes } from './secrets.http.ts'
export { checkPartnerUrl } from './partner-url.ts'
export { gradeAfterProbe } from './grade-after-probe.ts'
export { recordConformance } from './record-conformance.ts'
export type { ConformanceRecord, ProbeCause, RecordedGrade } from './record-conformance.ts'
export { claimDueProbe, keptBatches } from './due-probes.ts'
export type { KeptBatch } from './due-probes.ts'
