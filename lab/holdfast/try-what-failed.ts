import { setFlag } from '#flags/index.ts'
import { loadedKey } from '#platform/secrets/index.ts'
import { silentLog } from '#platform/index.ts'
import { openInstallation } from '#roles/index.ts'
import type { Installation } from '#roles/index.ts'
import type { Refused } from '../incident/figures.ts'
import { openBooks } from '../unguarded/open-books.ts'

/**
 * Tries by hand what opened the way to the incident, and what would bring the two worlds together.
 * Gives the refusals; what is not refused has no row, and the run is then no success.
 */
export async function tryWhatFailed(
  installation: Installation,
  databases: {
    readonly product: { readonly ownerUrl: string }
    readonly lab: { readonly ownerUrl: string; readonly runtimeUrl: string }
  },
): Promise<readonly Refused[]> {
  const { context, masterKey } = installation
  const by = { actor: 'service:lab', reason: 'the incident is replayed' }
  const attempts = [
    {
      what: 'idempotency_key_format_v2 switched on',
      outcome: await setFlag(context, { key: 'idempotency_key_format_v2', value: true, ...by }),
    },
    {
      what: 'order_hold_for_review_enabled switched off',
      outcome: await setFlag(context, {
        key: 'order_hold_for_review_enabled',
        value: false,
        ...by,
      }),
    },
    {
      what: 'the unguarded world over the database of the product',
      outcome: await openBooks(databases.product.ownerUrl),
    },
    {
      what: 'roles of the product over the database of the lab',
      outcome: await openInstallation(
        {
          runtimeUrl: databases.lab.runtimeUrl,
          ownerUrl: databases.lab.ownerUrl,
          key: loadedKey(masterKey),
          stop: () => Promise.resolve(),
        },
        { log: silentLog },
      ),
    },
  ]
  return attempts.flatMap(({ what, outcome }) =>
    outcome.ok ? [] : [{ what, code: outcome.refusal.code, times: 1 }],
  )
}
