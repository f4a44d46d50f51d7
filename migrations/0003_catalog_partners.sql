create schema catalog;
grant usage on schema catalog to holdfast_runtime;

create table catalog.product (
  merchant_id text not null,
  sku text not null check (sku <> ''),
  title text not null,
  price_minor integer not null check (price_minor >= 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  is_active boolean not null default true,
  group_id text,
  options jsonb not null default '{}',
  search tsvector generated always as (to_tsvector('simple', sku || ' ' || title)) stored,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (merchant_id, sku)
);
create index product_search on catalog.product using gin (search);
grant select, insert on catalog.product to holdfast_runtime;
grant update (title, price_minor, currency, is_active, group_id, options, updated_at)
  on catalog.product to holdfast_runtime;

create schema partners;
grant usage on schema partners to holdfast_runtime;

-- `grade` is measured by a probe, never declared: until then it is D, the careful one.
create table partners.partner (
  merchant_id text not null,
  id text not null check (id ~ '^[a-z][a-z0-9-]{0,31}$'),
  name text not null,
  url text not null,
  location_id text not null,
  grade text not null default 'D' check (grade in ('A', 'B', 'C', 'D')),
  concurrency_max integer not null default 4 check (concurrency_max between 1 and 64),
  allow_private boolean not null default false,
  paused_at timestamptz,
  paused_reason text,
  created_at timestamptz not null default now(),
  primary key (merchant_id, id)
);
grant select, insert on partners.partner to holdfast_runtime;
grant update (name, url, grade, concurrency_max, allow_private, paused_at, paused_reason)
  on partners.partner to holdfast_runtime;

-- Secrets rest sealed under the master key (AES-256-GCM: 12-byte nonce, ciphertext, 16-byte tag).
create table partners.secret (
  merchant_id text not null,
  partner_id text not null,
  direction text not null check (direction in ('dispatch', 'event')),
  number integer not null check (number >= 1),
  sealed bytea not null,
  created_at timestamptz not null default now(),
  retired_at timestamptz,
  primary key (merchant_id, partner_id, direction, number),
  foreign key (merchant_id, partner_id) references partners.partner
);
grant select, insert on partners.secret to holdfast_runtime;
grant update (retired_at) on partners.secret to holdfast_runtime;
