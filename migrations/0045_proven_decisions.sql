-- What was received without a valid certificate and gave way to what has one: the decision, or the content
-- with its fulfillment orders and their holds, as JSON of the rows. Only the two functions below write it.
create table fulfillment.set_aside (
  merchant_id text not null,
  id text not null,
  order_id text not null,
  revision integer not null,
  kind text not null check (kind in ('decision', 'content')),
  what jsonb not null,
  handover_id text not null,
  at timestamptz not null default now(),
  primary key (merchant_id, id)
);
alter table fulfillment.set_aside alter column what set statistics 0;
create index set_aside_by_order on fulfillment.set_aside (merchant_id, order_id);
grant select on fulfillment.set_aside to holdfast_runtime;

-- A decision that no certificate proves gives way to one of the same number that brings a certificate. What
-- has a certificate never gives way, and a person's HOLD only to the decision of its own id. The seal checks
-- the certificate again, so that a forged call opens nothing that ships.
create function fulfillment.replace_unproven_decision(
  merchant text, aside text, of_order text, of_number integer, new_id text, new_verdict text,
  new_reasons text[], new_revision integer, new_digest bytea, new_key text, new_approval bytea,
  new_effective timestamptz, new_handover text)
returns boolean language plpgsql security definer set search_path = '' as $$
declare
  old fulfillment.decision;
begin
  if new_approval is null or pg_catalog.octet_length(new_approval) <> 32 then
    return false;
  end if;
  select * into old from fulfillment.decision d
   where d.merchant_id = merchant and d.order_id = of_order and d.number = of_number
     for update;
  if not found or old.verdict <> 'hold' or old.approval is not null
     or (old.id <> new_id and 'reviewer' = any(old.reasons)) then
    return false;
  end if;
  insert into fulfillment.set_aside (merchant_id, id, order_id, revision, kind, what, handover_id)
  values (merchant, aside, of_order, old.revision, 'decision', pg_catalog.to_jsonb(old), new_handover);
  update fulfillment.decision d
     set id = new_id, verdict = new_verdict, reasons = new_reasons, revision = new_revision,
         order_digest = new_digest, key_id = new_key, approval = new_approval,
         effective_at = new_effective, handover_id = new_handover, received_at = pg_catalog.now()
   where d.merchant_id = merchant and d.order_id = of_order and d.number = of_number;
  return true;
end $$;

-- Content that no certificate proves makes room for the content that one proves: the order as it was
-- received and its fulfillment orders. Nothing of it can have been sealed, since a seal needs a CLEAR; it is
-- checked all the same. What a person holds stays until that person lets go of it.
create function fulfillment.set_aside_unproven_content(
  merchant text, aside text, of_order text, of_revision integer, new_handover text)
returns boolean language plpgsql security definer set search_path = '' as $$
declare
  content fulfillment.received_order;
  parts jsonb;
  holds jsonb;
begin
  select * into content from fulfillment.received_order r
   where r.merchant_id = merchant and r.order_id = of_order and r.revision = of_revision
     for update;
  if not found
     or exists (select from fulfillment.decision d
                 where d.merchant_id = merchant and d.order_id = of_order
                   and d.revision = of_revision and d.approval is not null)
     or exists (select from fulfillment.fulfillment_order f
                 where f.merchant_id = merchant and f.order_id = of_order
                   and f.revision = of_revision
                   and (f.state not in ('held', 'withdrawn') or f.dispatch_id is not null
                        or f.generation <> 1))
     or exists (select from fulfillment.hold h
                  join fulfillment.fulfillment_order f
                    on f.merchant_id = h.merchant_id and f.id = h.fulfillment_id
                 where f.merchant_id = merchant and f.order_id = of_order
                   and f.revision = of_revision and h.kind = 'operator'
                   and h.released_at is null) then
    return false;
  end if;
  with gone as (
    delete from fulfillment.hold h
     using fulfillment.fulfillment_order f
     where f.merchant_id = merchant and f.order_id = of_order and f.revision = of_revision
       and h.merchant_id = f.merchant_id and h.fulfillment_id = f.id
    returning pg_catalog.to_jsonb(h) as row
  )
  select coalesce(pg_catalog.jsonb_agg(row), '[]') into holds from gone;
  with gone as (
    delete from fulfillment.fulfillment_order f
     where f.merchant_id = merchant and f.order_id = of_order and f.revision = of_revision
    returning pg_catalog.to_jsonb(f) as row
  )
  select coalesce(pg_catalog.jsonb_agg(row), '[]') into parts from gone;
  delete from fulfillment.received_order r
   where r.merchant_id = merchant and r.order_id = of_order and r.revision = of_revision;
  insert into fulfillment.set_aside (merchant_id, id, order_id, revision, kind, what, handover_id)
  values (merchant, aside, of_order, of_revision, 'content', pg_catalog.jsonb_build_object(
    'order', pg_catalog.to_jsonb(content), 'fulfillments', parts, 'holds', holds), new_handover);
  return true;
end $$;
revoke execute on function
  fulfillment.replace_unproven_decision(text, text, text, integer, text, text, text[], integer, bytea, text,
    bytea, timestamptz, text),
  fulfillment.set_aside_unproven_content(text, text, text, integer, text) from public;
grant execute on function
  fulfillment.replace_unproven_decision(text, text, text, integer, text, text, text[], integer, bytea, text,
    bytea, timestamptz, text),
  fulfillment.set_aside_unproven_content(text, text, text, integer, text) to holdfast_runtime;
