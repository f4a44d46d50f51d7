import { newId } from '#kernel/index.ts'
import { endClient, oneOffClient } from './one-off-client.ts'

/**
 * Begins a new fence epoch, as the owner: to be done after every restore, failover to a replica that
 * may lag, or switch of region, before any worker starts. Nothing is sealed for a partner or sent to
 * it until its books were compared with ours. Throws where the database cannot be reached.
 */
export async function raiseFenceEpoch(
  ownerUrl: string,
  by: { readonly merchant: string; readonly actor: string; readonly reason: string },
): Promise<{ readonly epoch: number }> {
  const client = oneOffClient(ownerUrl)
  await client.connect()
  try {
    await client.query('begin')
    const raised = await client.query<{ fence_epoch: number }>(
      'update platform.instance set fence_epoch = fence_epoch + 1 returning fence_epoch',
    )
    const epoch = raised.rows[0]?.fence_epoch ?? 0
    await client.query(
      `insert into platform.audit (merchant_id, id, actor, action, subject_id, reason, after)
       values ($1, $2, $3, 'fence.raise', 'instance', $4, jsonb_build_object('fence_epoch', $5::int))`,
      [by.merchant, newId('aud'), by.actor, by.reason, epoch],
    )
    await client.query('commit')
    return { epoch }
  } finally {
    await endClient(client)
  }
}
