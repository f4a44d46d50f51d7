-- A batch of orders whose prices, rules and stock its process remembers is written in one round trip, with
-- the commit behind its writes. What it decided upon is said again to the database in the same transaction,
-- which fails where that is not so: nobody looks at an answer before the commit is sent. The code is of a
-- class that the standard leaves to implementations.
create function platform.hold_or_fail(holds boolean, what text) returns boolean
language plpgsql as $$
begin
  if holds is not true then
    raise exception '% not as expected', what using errcode = 'ZF001';
  end if;
  return true;
end $$;

-- Units too: after a look under lock it is a fault of ours, after a memory it is expected to happen.
create or replace function inventory.take_or_fail(taken bigint, wanted bigint) returns bigint
language plpgsql immutable as $$
begin
  if taken <> wanted then
    raise exception '% of % stock rows still had the units that were allocated', taken, wanted
      using errcode = 'ZF001';
  end if;
  return taken;
end $$;
