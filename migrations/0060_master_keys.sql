-- Which master keys are in force, by an id that is derived from the key and tells nothing of it. A process whose key is
-- not among them is refused when it starts. The runtime role reads the list. It may add to it once, the first key of
-- a database that has none; after that the owner adds and retires, each with an audit row.
create table platform.master_key (
  id text primary key check (id ~ '^mk_[a-z2-7]{16}$'),
  added_at timestamptz not null default now(),
  added_by text not null check (added_by <> ''),
  retired_at timestamptz,
  retired_by text,
  check ((retired_at is null) = (retired_by is null))
);
grant select on platform.master_key to holdfast_runtime;

-- For the owner, who counts what a key sealed before it is retired: nobody seals anything meanwhile.
create function platform.lock_master_keys() returns boolean language plpgsql set search_path = '' as $$
begin
  lock table platform.master_key, platform.secret in share row exclusive mode;
  return true;
end $$;
revoke execute on function platform.lock_master_keys() from public;

-- Of several first starts at once one wins. `opened`: the key opens a secret that is stored; without that it is
-- believed only as long as nothing is stored.
create function platform.believe_first_master_key(
  key_id text, opened boolean, merchant text, audit_id text, said_by text)
returns boolean language plpgsql security definer set search_path = '' as $$
begin
  lock table platform.master_key in share row exclusive mode;
  if exists (select from platform.master_key)
     or (not opened and exists (select from platform.secret)) then
    return false;
  end if;
  insert into platform.master_key (id, added_by) values (key_id, said_by);
  insert into platform.audit (merchant_id, id, actor, action, subject_id, reason)
  values (merchant, audit_id, said_by, 'master_key.first', key_id,
          case when opened then 'it opens a stored secret' else 'nothing was stored' end);
  return true;
end $$;
revoke execute on function platform.believe_first_master_key(text, boolean, text, text, text) from public;
grant execute on function platform.believe_first_master_key(text, boolean, text, text, text)
  to holdfast_runtime;

-- A sealed secret begins with `hfs`, a version byte (1) and the ten bytes of its key's id; those of earlier builds
-- begin with a random nonce. They are sealed anew at the first start, each exchanged for the bytes that were read.
create index secret_of_earlier_builds on platform.secret (merchant_id, owner, number)
  where substring(sealed from 1 for 4) <> '\x68667301'::bytea;
create function platform.reseal_secret(
  of_merchant text, of_owner text, of_number integer, before bytea, after bytea)
returns boolean language plpgsql security definer set search_path = '' as $$
begin
  if substring(before from 1 for 4) = '\x68667301'::bytea
     or substring(after from 1 for 4) <> '\x68667301'::bytea then
    return false;
  end if;
  update platform.secret s
     set sealed = after
   where s.merchant_id = of_merchant and s.owner = of_owner and s.number = of_number
     and s.sealed = before;
  return found;
end $$;
revoke execute on function platform.reseal_secret(text, text, integer, bytea, bytea) from public;
grant execute on function platform.reseal_secret(text, text, integer, bytea, bytea) to holdfast_runtime;
