-- A receipt adds units and an adjustment changes them, whoever writes it. Rows of earlier builds stay as they are:
-- the ledger is never rewritten.
alter table inventory.movement
  add constraint movement_does_what_it_says
  check (case kind when 'receive' then on_hand_delta > 0 when 'adjust' then on_hand_delta <> 0 else true end)
  not valid;
