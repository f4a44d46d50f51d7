-- A lane is open for one worker process (its session) after a handshake with the partner: the partner was asked
-- what it holds beyond our books, and holds nothing. The seal and the claim name their session. A row counts
-- only in the fence epoch in which the partner was asked, and only if it was asked after the lane was last shut
-- or resumed. A copy of this database that is put back has no row of a process that starts afterwards.
create table fulfillment.lane_handshake (
  merchant_id text not null,
  partner_id text not null,
  session text not null,
  fence_epoch integer not null,
  -- In database time, before the partner was asked.
  asked_at timestamptz not null,
  -- The same time once the lane is open for this session; null while it is shut, with the reason.
  opened_at timestamptz,
  reason text,
  detail text,
  primary key (merchant_id, partner_id, session),
  check ((opened_at is null) = (reason is not null))
);
create index lane_handshake_by_age on fulfillment.lane_handshake (merchant_id, asked_at);
grant select, insert, delete on fulfillment.lane_handshake to holdfast_runtime;
grant update (fence_epoch, asked_at, opened_at, reason, detail) on fulfillment.lane_handshake to holdfast_runtime;

-- Evidence shuts a lane for every process: a handshake counts only if it began after `shut_at`.
-- `past_upto` is the last number of a past that a person has called another installation's.
alter table fulfillment.lane
  add column shut_at timestamptz,
  add column shut_reason text,
  add column past_upto bigint not null default 0 check (past_upto >= 0),
  add check ((shut_at is null) = (shut_reason is null));
grant update (shut_at, shut_reason, past_upto) on fulfillment.lane to holdfast_runtime;

-- A partner that was paused is asked again before anything is sealed for it.
alter table partners.partner add column resumed_at timestamptz;
grant update (resumed_at) on partners.partner to holdfast_runtime;

-- The runtime role may not write platform.instance. It may raise the fence by one, from the epoch that it has
-- seen: of many processes with the same evidence one raises it, and the others get null.
create function platform.raise_fence(
  merchant text, audit_id text, actor text, reason text, evidence jsonb, from_epoch integer
) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  raised integer;
begin
  update platform.instance set fence_epoch = fence_epoch + 1 where fence_epoch = from_epoch
    returning fence_epoch into raised;
  if raised is null then
    return null;
  end if;
  insert into platform.audit (merchant_id, id, actor, action, subject_id, reason, after)
  values (merchant, audit_id, actor, 'fence.raise', 'instance', reason,
          pg_catalog.jsonb_build_object('fence_epoch', raised, 'evidence', evidence));
  return raised;
end $$;
revoke execute on function platform.raise_fence(text, text, text, text, jsonb, integer) from public;
grant execute on function platform.raise_fence(text, text, text, text, jsonb, integer) to holdfast_runtime;

select cases.widen_kinds('database_restored');

alter table fulfillment.unknown_fulfillment alter column content_sha256 set statistics 0;
