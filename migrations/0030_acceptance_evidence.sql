-- Acceptances of an order that our books have with another dispatch: the partner and the key that it names,
-- each once for ever, whatever tells of it and how often. A row is what
-- `webhook_duplicate_dispatches_total` counts.
create table fulfillment.acceptance_evidence (
  merchant_id text not null,
  fulfillment_id text not null,
  generation integer not null check (generation >= 1),
  partner_id text not null,
  dispatch_key text not null check (dispatch_key ~ '^hfd1-[a-z2-7]{32}$'),
  source text not null check (source in ('event', 'shipment', 'manifest')),
  seen_at timestamptz not null default now(),
  primary key (merchant_id, fulfillment_id, generation, partner_id, dispatch_key),
  foreign key (merchant_id, fulfillment_id) references fulfillment.fulfillment_order
);
grant select, insert on fulfillment.acceptance_evidence to holdfast_runtime;
