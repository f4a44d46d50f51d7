-- Nobody searches by these documents, so an ANALYZE need not sample them.
alter table orders.decision alter column allocations set statistics 0;
alter table orders.decision_wish alter column answer set statistics 0;
