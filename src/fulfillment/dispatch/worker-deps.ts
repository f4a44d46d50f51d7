import type { Random } from '#kernel/index.ts'
import type { FlagReader } from '#flags/index.ts'
import type { PartnerSecrets } from '#partners/index.ts'
import type { Context } from '#platform/index.ts'
import type { Outbound } from '#platform/outbound/index.ts'
import type { ApprovalCheck } from '../seal/approval-check.ts'
import type { SealProver } from '../seal/seal-proof.ts'
import type { Handshakes } from '../handshake/keep-lanes-open.ts'
import type { LaneSession } from '../handshake/lane-session.ts'
import type { DispatchTiming } from './dispatch-timing.ts'
import type { SendMeter } from './lane-rate.ts'
import type { PartnerBreakers } from './partner-breaker.ts'

/** What the fulfillment worker is given once, at the composition root. */
export type WorkerDeps = {
  readonly context: Context
  readonly flags: FlagReader
  readonly secrets: PartnerSecrets
  readonly outbound: Outbound
  readonly isProven: ApprovalCheck
  /** Proves what is sealed, and checks it before every send. */
  readonly prover: SealProver
  /** For jitter alone. */
  readonly random: Random
  /** The times of the protocol; those of production where absent. */
  readonly timing?: DispatchTiming
  /** Fulfillment orders in one batch; 100 where absent. */
  readonly batchOrdersMax?: number
  /** Longest wait between two looks at the tables; 1,000 ms where absent. */
  readonly pollMs?: number
}

/** What the lanes of one worker share. */
export type LaneDeps = WorkerDeps & {
  readonly timing: DispatchTiming
  readonly breakers: PartnerBreakers
  readonly session: LaneSession
  readonly handshakes: Handshakes
  readonly meter: SendMeter
}
