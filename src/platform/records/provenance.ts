import { hostname } from 'node:os'
import { base32, canonicalJson, sha256 } from '#kernel/index.ts'
import { change, withTransaction } from '../database/database.ts'
import type { Database } from '../database/database.ts'
import { statement } from '../database/statement.ts'

/** What produced a row: the flag-set version, build, schema version and node at that moment. */
export type Provenance = {
  readonly flagSetVersion: number
  readonly build: string
  readonly schemaVersion: number
  readonly node: string
}

const insertProvenance = statement({
  name: 'platform.insert_provenance',
  params: {
    merchant: 'text',
    id: 'text',
    flags: 'int8',
    build: 'text',
    schema: 'int4',
    node: 'text',
  },
  text: `
    insert into platform.provenance (merchant_id, id, flag_set_version, build, schema_version, node)
    values ($merchant, $id, $flags, $build, $schema, $node)
    on conflict do nothing`,
})

/** The name of this machine and process start, as provenance rows carry it. */
export function nodeName(): string {
  return `${hostname()}/${process.pid}`
}

/** Records a provenance once and returns its id, which is a hash of its content. */
export async function recordProvenance(
  database: Database,
  merchant: string,
  provenance: Provenance,
): Promise<string> {
  const id = `prv_${base32(sha256(canonicalJson({ ...provenance })).subarray(0, 15))}`
  await withTransaction(database, (tx) =>
    change(tx, insertProvenance, {
      merchant,
      id,
      flags: provenance.flagSetVersion,
      build: provenance.build,
      schema: provenance.schemaVersion,
      node: provenance.node,
    }),
  )
  return id
}
