import { read } from '#platform/index.ts'
import type { Database } from '#platform/index.ts'
import { partnerOf, selectPartner, selectPartners } from './partner.ts'
import type { Partner } from './partner.ts'

/** Every partner of a merchant, by id. */
export async function listPartners(
  database: Database,
  merchant: string,
): Promise<readonly Partner[]> {
  return (await read(database, selectPartners, { merchant })).map(partnerOf)
}

/** One partner, or undefined. */
export async function findPartner(
  database: Database,
  merchant: string,
  id: string,
): Promise<Partner | undefined> {
  return (await read(database, selectPartner, { merchant, id })).map(partnerOf)[0]
}
