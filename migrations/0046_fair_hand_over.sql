-- When a decision was last sent and refused: the least recently tried goes first, so that rows that are
-- refused for ever do not keep the others waiting.
alter table orders.handover_outbox add column tried_at timestamptz;
grant update (tried_at) on orders.handover_outbox to holdfast_runtime;
