-- Orders that are held only because rules or flags could not be read, until they are decided again. A work list: what
-- may be decided again is judged by the decisions themselves, under the lock of the order.
create table orders.unread_hold (
  merchant_id text not null,
  order_id text not null,
  number integer not null,
  recorded_at timestamptz not null default now(),
  primary key (merchant_id, order_id, number),
  foreign key (merchant_id, order_id, number) references orders.decision
);
grant select, insert, delete on orders.unread_hold to holdfast_runtime;
-- Locking a row to claim it needs a right to update; the time is the one column that nothing depends on.
grant update (recorded_at) on orders.unread_hold to holdfast_runtime;
