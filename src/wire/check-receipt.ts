import { accept, bytesEqual, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { HandOverResponse } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { SealedHandOver } from './seal-hand-over.ts'

/**
 * Compares a receipt with what was sent: `receipt_mismatch` unless batch, digest and counts are
 * echoed. More holds than sent are allowed, since the receiver may only ever hold more.
 */
export function checkReceipt(
  sent: SealedHandOver & { readonly holds: number },
  receipt: HandOverResponse,
): Outcome<void> {
  const isEcho =
    receipt.batchId === sent.batchId &&
    bytesEqual(receipt.rollingDigest, sent.digest) &&
    receipt.records === sent.records &&
    receipt.holds + receipt.clears === sent.records &&
    receipt.holds >= sent.holds
  if (isEcho) return accept(undefined)
  return refuse('receipt_mismatch', 'The receipt does not echo the batch that was sent.')
}
