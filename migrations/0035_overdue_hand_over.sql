-- When somebody was told that decisions wait for the hand-over for too long, by the code of the last refusal
-- (empty where none is recorded) and with how many there were: at ten times as many it is told again.
create table orders.handover_alarm (
  merchant_id text not null,
  code text not null,
  decisions bigint not null,
  raised_at timestamptz not null default now(),
  primary key (merchant_id, code)
);
grant select, insert, update, delete on orders.handover_alarm to holdfast_runtime;

-- The third time that the kinds of a case are widened: the block of 0023 and 0033, now by its name.
create function cases.widen_kinds(variadic added text[]) returns void
language plpgsql set search_path = '' as $$
declare
  held record;
  listed text;
begin
  select con.conname as name, pg_catalog.pg_get_constraintdef(con.oid) as definition into strict held
    from pg_catalog.pg_constraint con
   where con.conrelid = 'cases."case"'::pg_catalog.regclass and con.contype = 'c'
     and pg_catalog.pg_get_constraintdef(con.oid) like '%double_ship%';
  select pg_catalog.string_agg(pg_catalog.format('%L::text, ', kind), '') into strict listed
    from pg_catalog.unnest(added) as kind;
  execute pg_catalog.format('alter table cases."case" drop constraint %I', held.name);
  execute pg_catalog.format('alter table cases."case" add constraint %I %s', held.name,
    pg_catalog.replace(held.definition, 'ARRAY[', 'ARRAY[' || listed));
end $$;
revoke execute on function cases.widen_kinds(text[]) from public;
select cases.widen_kinds('overdue_handover');
