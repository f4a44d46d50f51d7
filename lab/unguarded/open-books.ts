import { Pool } from 'pg'
import { accept, orThrow } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { checkInstanceKind } from '#platform/index.ts'

/** The tables of the world without guards, in a database that was created for the lab. */
export type Books = { readonly pool: Pool; readonly close: () => Promise<void> }

/**
 * Opens the books as the owner of the database. Refuses `product_database` where the database was not
 * created for the lab: nothing without a guard ever runs beside real orders. Throws where the database
 * cannot be read.
 */
export async function openBooks(ownerUrl: string): Promise<Outcome<Books>> {
  const kind = await checkInstanceKind(ownerUrl, 'lab')
  if (!kind.ok) return kind
  const pool = new Pool({ connectionString: ownerUrl, max: 6 })
  pool.on('error', () => undefined)
  await pool.query(TABLES)
  return accept({ pool, close: () => pool.end() })
}

/** `openBooks` for a root that cannot go on without them: a refusal is thrown. */
export async function booksOrThrow(ownerUrl: string): Promise<Books> {
  return orThrow(await openBooks(ownerUrl))
}

// No key, check or reference here stops anything but a row from being written twice by one caller.
const TABLES = `
  create schema lab;
  create table lab.placed_order (
    number integer primary key, held_by_review boolean not null);
  create table lab.fulfillment_order (
    id text primary key, number integer not null, partner text not null,
    held boolean not null, lines jsonb not null);
  create table lab.attempt (
    partner text not null, batch text not null, attempt integer not null,
    key text not null, outcome text not null);
  create table lab.stock (sku text primary key, on_hand integer not null);
  create table lab.event (id text primary key)`
