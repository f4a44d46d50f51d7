-- A database says what it is for when it is created, and never anything else: whoever makes one for
-- the lab sets `holdfast.created_as` before the first migration. One that exists already stays what it is.
update platform.instance set kind = 'lab' where current_setting('holdfast.created_as', true) = 'lab';

create function platform.refuse_new_kind() returns trigger language plpgsql as $$
begin
  raise exception 'what a database is for is said once, at its creation' using errcode = 'restrict_violation';
end $$;

create trigger instance_kind_stays before update of kind on platform.instance
  for each row when (old.kind is distinct from new.kind) execute function platform.refuse_new_kind();
create trigger instance_stays before delete on platform.instance
  for each row execute function platform.refuse_new_kind();
create trigger instance_is_not_emptied before truncate on platform.instance
  for each statement execute function platform.refuse_new_kind();
