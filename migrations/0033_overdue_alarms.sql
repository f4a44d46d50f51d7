-- When somebody was told that a dispatch, or a recall, has waited for a person for too long.
alter table fulfillment.dispatch add column overdue_alarm_at timestamptz;
alter table fulfillment.recall add column overdue_alarm_at timestamptz;
grant update (overdue_alarm_at) on fulfillment.dispatch to holdfast_runtime;
grant update (overdue_alarm_at) on fulfillment.recall to holdfast_runtime;
create index dispatch_alarmed on fulfillment.dispatch (merchant_id, id) where overdue_alarm_at is not null;
create index recall_alarmed on fulfillment.recall (merchant_id, id) where overdue_alarm_at is not null;

-- The kinds of a case are widened by what is added here, whatever else was added before.
do $$
declare
  held record;
begin
  select conname, pg_get_constraintdef(oid) as definition into strict held
    from pg_constraint
   where conrelid = 'cases."case"'::regclass and contype = 'c'
     and pg_get_constraintdef(oid) like '%double_ship%';
  execute format('alter table cases."case" drop constraint %I', held.conname);
  execute format('alter table cases."case" add constraint %I %s', held.conname,
    replace(held.definition, 'ARRAY[', 'ARRAY[''overdue_dispatch''::text, ''overdue_recall''::text, '));
end $$;
