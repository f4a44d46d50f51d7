-- Documents and bytes take 40 % of the time of an ANALYZE. No plan of ours rests on how they are distributed:
-- they are read with their row, which is found by other columns or by a unique index.
do $$
declare
  wide record;
begin
  for wide in
    select a.attrelid::pg_catalog.regclass as of_table, a.attname as name
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_class c on c.oid = a.attrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
       and a.atttypid in ('jsonb'::pg_catalog.regtype, 'bytea'::pg_catalog.regtype)
       and n.nspname in ('platform', 'access', 'flags', 'catalog', 'partners', 'inventory', 'orders',
                         'fulfillment', 'cases', 'reconciliation', 'subscriptions')
  loop
    execute pg_catalog.format('alter table %s alter column %I set statistics 0', wide.of_table, wide.name);
  end loop;
end $$;

-- A table that grows fast is analyzed at each doubling, so that no plan is one of an empty table; for that a
-- sample of 3,000 rows will do, at a third of the cost. Autovacuum makes finer ones as it grows on.
alter function platform.analyze_grown_table() set default_statistics_target = '10';
