-- Plans are kept for the life of a connection, those of foreign keys too. One that was made while a table
-- was empty reads every row of its merchant once the table has grown, until statistics come: autovacuum
-- looks once a minute, and a bulk import makes ten thousand rows in less. Only an owner may ANALYZE, so
-- the runtime role may have it done, for tables of ours that doubled, and for nothing else. A table that
-- somebody else is busy with is passed over: nobody waits for it.
create function platform.analyze_grown_table() returns text
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  grown regclass;
begin
  if not pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtext('holdfast/analyze')) then
    return null;
  end if;
  for grown in
    select c.oid
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and c.relpersistence = 'p'
       and n.nspname in ('platform', 'access', 'flags', 'catalog', 'partners', 'inventory', 'orders',
                         'fulfillment', 'cases', 'reconciliation', 'subscriptions')
       and pg_catalog.pg_relation_size(c.oid)
             > 2 * c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint
     order by pg_catalog.pg_relation_size(c.oid) desc
  loop
    begin
      execute pg_catalog.format('analyze %s', grown);
      return grown::text;
    exception when lock_not_available then
      continue;
    end;
  end loop;
  return null;
exception when lock_not_available then
  return null;
end $$;
revoke execute on function platform.analyze_grown_table() from public;
grant execute on function platform.analyze_grown_table() to holdfast_runtime;
