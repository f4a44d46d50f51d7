-- Where a partner on a private network may be: CIDR by CIDR, never all of it at once. A partner that was
-- registered with `allow_private` gets every network that can be allowed; link-local is not among them.
alter table partners.partner add column allowed_networks text[] not null default '{}';
update partners.partner
   set allowed_networks = '{10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,172.16.0.0/12,192.168.0.0/16,::1/128,fc00::/7}'
 where allow_private;
grant update (allowed_networks) on partners.partner to holdfast_runtime;
