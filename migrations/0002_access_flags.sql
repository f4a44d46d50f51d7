create schema access;
grant usage on schema access to holdfast_runtime;

-- A key is shown once and kept as a hash: 256 random bits need no slow hash (OWASP ASVS 2.9, look-up secrets).
create table access.api_key (
  merchant_id text not null,
  id text not null,
  name text not null,
  key_sha256 bytea not null check (octet_length(key_sha256) = 32),
  scopes text[] not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  primary key (merchant_id, id)
);
create unique index api_key_by_hash on access.api_key (key_sha256);
grant select, insert on access.api_key to holdfast_runtime;
grant update (revoked_at) on access.api_key to holdfast_runtime;

-- A one-time login: the statement that spends it is the guard.
create table access.login (
  merchant_id text not null,
  token_sha256 bytea not null check (octet_length(token_sha256) = 32),
  actor text not null,
  role text not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (merchant_id, token_sha256)
);
grant select, insert on access.login to holdfast_runtime;
grant update (used_at) on access.login to holdfast_runtime;

create table access.session (
  merchant_id text not null,
  token_sha256 bytea not null check (octet_length(token_sha256) = 32),
  actor text not null,
  role text not null,
  expires_at timestamptz not null,
  primary key (merchant_id, token_sha256)
);
grant select, insert, delete on access.session to holdfast_runtime;

create schema flags;
grant usage on schema flags to holdfast_runtime;

-- Append-only: the value of a flag is its last change, the version of the set is the last change of all.
create table flags.change (
  merchant_id text not null,
  version bigint not null check (version >= 1),
  key text not null,
  value boolean not null,
  actor text not null check (actor <> ''),
  reason text not null check (reason <> ''),
  at timestamptz not null default now(),
  primary key (merchant_id, version)
);
grant select, insert on flags.change to holdfast_runtime;
