-- A parcel belongs to the generation of the dispatch that its partner named.
alter table fulfillment.shipment
  add column generation integer not null default 1 check (generation >= 1);

-- Single units by the name that their partner gives them (a serial number, a licence plate): in one parcel.
create table fulfillment.shipped_unit (
  merchant_id text not null,
  fulfillment_id text not null,
  generation integer not null,
  line_id text not null,
  unit text not null check (unit <> ''),
  shipment_id text not null,
  primary key (merchant_id, fulfillment_id, generation, line_id, unit),
  foreign key (merchant_id, shipment_id) references fulfillment.shipment
);
grant select, insert on fulfillment.shipped_unit to holdfast_runtime;

-- Units that their partner will not ship, line by line, until somebody says what becomes of them. Told
-- twice they are the larger number, not the sum.
create table fulfillment.open_line (
  merchant_id text not null,
  fulfillment_id text not null,
  generation integer not null,
  dispatch_id text not null,
  cause text not null check (cause in ('rejected', 'short')),
  line_id text not null,
  sku text not null,
  qty bigint not null check (qty >= 1),
  code text not null,
  state text not null default 'open' check (state in ('open', 'resent', 'released', 'shipped')),
  opened_at timestamptz not null default now(),
  decided_at timestamptz,
  decided_by text,
  primary key (merchant_id, fulfillment_id, generation, dispatch_id, cause, line_id),
  foreign key (merchant_id, fulfillment_id) references fulfillment.fulfillment_order,
  check ((state = 'open') = (decided_at is null)),
  check ((decided_at is null) = (decided_by is null))
);
create index open_line_undecided on fulfillment.open_line (merchant_id, fulfillment_id) where state = 'open';
grant select, insert on fulfillment.open_line to holdfast_runtime;
grant update (qty, state, decided_at, decided_by) on fulfillment.open_line to holdfast_runtime;

-- The wish to ship once more what was lost, by one person, and the word of another. The evidence is a case.
create table fulfillment.reship (
  merchant_id text not null,
  id text not null,
  fulfillment_id text not null,
  generation integer not null check (generation >= 2),
  case_id text not null,
  reason text not null check (reason <> ''),
  requested_by text not null check (requested_by <> ''),
  requested_at timestamptz not null default now(),
  state text not null default 'requested' check (state in ('requested', 'approved', 'refused')),
  decided_by text,
  decided_at timestamptz,
  note text,
  primary key (merchant_id, id),
  foreign key (merchant_id, fulfillment_id) references fulfillment.fulfillment_order,
  foreign key (merchant_id, case_id) references cases."case",
  check ((state = 'requested') = (decided_by is null)),
  check ((decided_by is null) = (decided_at is null)),
  check (state <> 'approved' or decided_by <> requested_by)
);
create unique index one_reship on fulfillment.reship (merchant_id, fulfillment_id, generation)
  where state <> 'refused';
grant select on fulfillment.reship to holdfast_runtime;
grant insert (merchant_id, id, fulfillment_id, generation, case_id, reason, requested_by)
  on fulfillment.reship to holdfast_runtime;

-- Every generation after the first, each with the approval that opened it. Nobody but the function below
-- writes here, and neither an order nor a line can be of a later generation than is written here.
create table fulfillment.generation (
  merchant_id text not null,
  fulfillment_id text not null,
  generation integer not null check (generation >= 2),
  reship_id text not null,
  opened_at timestamptz not null default now(),
  primary key (merchant_id, fulfillment_id, generation),
  foreign key (merchant_id, reship_id) references fulfillment.reship
);
grant select on fulfillment.generation to holdfast_runtime;
alter table fulfillment.fulfillment_order
  add column reship_generation integer
    generated always as (case when generation > 1 then generation end) stored,
  add foreign key (merchant_id, id, reship_generation) references fulfillment.generation;
alter table fulfillment.line_claim
  add column reship_generation integer
    generated always as (case when generation > 1 then generation end) stored,
  add foreign key (merchant_id, fulfillment_id, reship_generation) references fulfillment.generation;

-- The one way to a new generation: a request that is open, and a second person. The runtime role may call
-- it and may not do by itself what it does.
create function fulfillment.approve_reship(merchant text, reship text, actor text, said text)
returns boolean language plpgsql security definer set search_path = '' as $$
declare
  one fulfillment.reship;
begin
  update fulfillment.reship r
     set state = 'approved', decided_by = actor, decided_at = now(), note = said
   where r.merchant_id = merchant and r.id = reship and r.state = 'requested'
     and r.requested_by <> actor
  returning * into one;
  if not found then
    return false;
  end if;
  insert into fulfillment.generation (merchant_id, fulfillment_id, generation, reship_id)
  values (merchant, one.fulfillment_id, one.generation, one.id);
  update fulfillment.line_claim
     set state = 'superseded'
   where merchant_id = merchant and fulfillment_id = one.fulfillment_id
     and generation = one.generation - 1 and state = 'live';
  update fulfillment.fulfillment_order
     set generation = one.generation, state = 'open', updated_at = now()
   where merchant_id = merchant and id = one.fulfillment_id
     and generation = one.generation - 1 and state in ('shipped', 'delivered');
  if not found then
    raise exception 'fulfillment order % is not what was to be shipped again', one.fulfillment_id
      using errcode = 'restrict_violation';
  end if;
  return true;
end $$;
create function fulfillment.refuse_reship(merchant text, reship text, actor text, said text)
returns boolean language plpgsql security definer set search_path = '' as $$
begin
  update fulfillment.reship r
     set state = 'refused', decided_by = actor, decided_at = now(), note = said
   where r.merchant_id = merchant and r.id = reship and r.state = 'requested';
  return found;
end $$;
revoke execute on function fulfillment.approve_reship(text, text, text, text),
  fulfillment.refuse_reship(text, text, text, text) from public;
grant execute on function fulfillment.approve_reship(text, text, text, text),
  fulfillment.refuse_reship(text, text, text, text) to holdfast_runtime;

-- How a partner gets its dispatches: sent, or announced and fetched by it. And since when nobody has said
-- whether its address, which changed, still leads to the same ledger: until then it is asked only.
alter table partners.partner
  add column delivery text not null default 'push' check (delivery in ('push', 'pull')),
  add column ledger_doubt_since timestamptz;
grant update (delivery, ledger_doubt_since) on partners.partner to holdfast_runtime;

-- When the bytes of a dispatch were first fetched; from then on they may have had an effect.
alter table fulfillment.dispatch add column pulled_at timestamptz;
grant update (pulled_at) on fulfillment.dispatch to holdfast_runtime;
