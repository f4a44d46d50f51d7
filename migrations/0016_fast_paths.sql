-- The commit of a batch of orders travels behind its writes, so that a sale must fail by itself where
-- a stock row gave less than was allocated: nobody looks at the count before the commit is sent.
create function inventory.take_or_fail(taken bigint, wanted bigint) returns bigint
language plpgsql immutable as $$
begin
  if taken <> wanted then
    raise exception '% of % stock rows still had the units that were allocated', taken, wanted;
  end if;
  return taken;
end $$;

-- What is written to a catalog is found at once: the list of pending entries, which a search reads from
-- end to end and which makes the planner shun the index, is not kept.
alter index catalog.product_search set (fastupdate = off);
select gin_clean_pending_list('catalog.product_search');
