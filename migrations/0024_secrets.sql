-- One place for every secret that is rotated: of partners, by direction, and of webhook subscriptions.
-- `owner` is also what the ciphertext is bound to. A secret is live until somebody ends it; one that a newer
-- one follows lives on for the overlap, and longer only while something that came in was signed with it.
create table platform.secret (
  merchant_id text not null,
  owner text not null check (owner ~ '^[a-z][a-z0-9-]*\|[a-z0-9_-]+$'),
  number integer not null check (number >= 1),
  sealed bytea not null,
  created_at timestamptz not null default now(),
  overlap_until timestamptz,
  last_used_at timestamptz,
  ended_at timestamptz,
  ended_by text,
  primary key (merchant_id, owner, number),
  check ((ended_at is null) = (ended_by is null))
);
grant select, insert on platform.secret to holdfast_runtime;
grant update (overlap_until, last_used_at, ended_at, ended_by) on platform.secret to holdfast_runtime;

insert into platform.secret (merchant_id, owner, number, sealed, created_at, ended_at, ended_by)
select merchant_id, partner_id || '|' || direction, number, sealed, created_at, retired_at,
       case when retired_at is not null then 'migration' end
  from partners.secret;
insert into platform.secret (merchant_id, owner, number, sealed, created_at, overlap_until)
select merchant_id, 'subscription|' || subscription_id, number, sealed, created_at, expires_at
  from subscriptions.secret;
drop table partners.secret;
drop table subscriptions.secret;

-- Which of the two live secrets an event was signed with. Null: kept before it was recorded.
alter table fulfillment.inbox add column secret_number integer check (secret_number >= 1);
