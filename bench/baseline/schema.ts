import { Client } from 'pg'

/** What a good engineer would write by hand for the same shop: five tables, one transaction an order. */
const SCHEMA = `
  create table product (sku text primary key, title text not null, cents integer not null);
  create table stock (sku text primary key references product, available integer not null check (available >= 0))
    with (fillfactor = 70);
  create table "order" (
    id uuid primary key, email text not null, address jsonb not null, shipping text not null,
    total integer not null, status text not null, created_at timestamptz not null default now());
  create table order_line (
    order_id uuid not null references "order", sku text not null, quantity integer not null,
    cents integer not null, primary key (order_id, sku));
  create table payment (
    id uuid primary key, order_id uuid not null references "order", provider text not null,
    amount integer not null, status text not null);`

/** Makes the baseline's tables and stocks them. */
export async function makeBaseline(url: string, stock: ReadonlyMap<string, number>): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(SCHEMA)
    const skus = [...stock.keys()]
    await client.query(
      `insert into product select sku, 'Product ' || sku, 500 from unnest($1::text[]) as sku`,
      [skus],
    )
    await client.query('insert into stock select * from unnest($1::text[], $2::int[])', [
      skus,
      [...stock.values()],
    ])
    // Only what is stocked: an analyzed empty table would get plans for an empty table.
    await client.query('analyze product, stock')
  } finally {
    await client.end()
  }
}
