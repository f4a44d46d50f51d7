-- Plans are kept for the life of a connection, those of foreign keys too. One that was made while a table
-- was empty reads every row of its merchant once the table has grown, until statistics come: autovacuum
-- looks once a minute, and a bulk import makes ten thousand rows in less. Only an owner may ANALYZE, so
-- the runtime role may have it done, for tables that doubled, and for nothing else.
create function platform.analyze_grown_table() returns text
language plpgsql security definer set search_path = '' as $$
declare
  grown regclass;
begin
  if not pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtext('holdfast/analyze')) then
    return null;
  end if;
  select c.oid into grown
    from pg_catalog.pg_class c
   where c.relkind = 'r' and c.relowner = current_user::regrole
     and pg_catalog.pg_relation_size(c.oid)
           > 2 * c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint
   order by pg_catalog.pg_relation_size(c.oid) desc
   limit 1;
  if grown is null then
    return null;
  end if;
  execute pg_catalog.format('analyze %s', grown);
  return grown::text;
end $$;
revoke execute on function platform.analyze_grown_table() from public;
grant execute on function platform.analyze_grown_table() to holdfast_runtime;
