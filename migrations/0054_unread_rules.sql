-- Stored rules, a promise policy or a flag that a build cannot read: what it is about, when somebody was told and
-- when a process last met it. Builds differ while an installation is upgraded: it is over when none has met it
-- for five minutes, and told again after a day.
create table orders.rules_alarm (
  merchant_id text not null,
  subject text not null,
  raised_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  primary key (merchant_id, subject)
);
grant select, insert, update, delete on orders.rules_alarm to holdfast_runtime;

select cases.widen_kinds('rules_unread');
