-- A refused stream is kept once by its content: the records as they came, without the id of the batch, which
-- each repeat makes anew. Of one code and field so many different ones are kept and the rest is counted, so
-- that one stuck sender takes nobody else's place. Rows of earlier builds have no digest and stay.
alter table fulfillment.quarantine
  add column field text not null default '',
  add column digest bytea check (octet_length(digest) = 32),
  add column times integer not null default 1,
  add column last_seen_at timestamptz not null default now();
alter table fulfillment.quarantine alter column digest set statistics 0;
create unique index quarantine_by_content
  on fulfillment.quarantine (merchant_id, code, field, digest);
grant update (times, last_seen_at) on fulfillment.quarantine to holdfast_runtime;

-- How many refused streams were not kept, because enough others of their code and field are.
create table fulfillment.quarantine_dropped (
  merchant_id text not null,
  code text not null,
  field text not null,
  times bigint not null default 1,
  last_at timestamptz not null default now(),
  primary key (merchant_id, code, field)
);
grant select, insert on fulfillment.quarantine_dropped to holdfast_runtime;
grant update (times, last_at) on fulfillment.quarantine_dropped to holdfast_runtime;
