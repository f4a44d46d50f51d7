-- An order of which a part had left when it was cancelled: the rest was stopped and its stock released.
alter table orders."order"
  drop constraint order_state_check,
  add constraint order_state_check check (state in ('placed', 'cancelled', 'rejected', 'partly_cancelled'));

-- A wish stays open while partners are asked, and is asked for again, ever less often. `refusal` is the
-- code of what could not be done.
alter table orders.withdrawal
  add column asked integer not null default 0,
  add column ask_after timestamptz not null default now(),
  add column refusal text;
grant update (asked, ask_after, refusal) on orders.withdrawal to holdfast_runtime;
create index withdrawal_due on orders.withdrawal (merchant_id, ask_after) where state = 'requested';
