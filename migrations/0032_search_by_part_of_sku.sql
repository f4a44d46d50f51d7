-- PostgreSQL reads `SKU-00123` as a word and the number -123 with its sign: the digits alone found nothing.
-- The parts of a SKU are words of their own too.
drop index catalog.product_search;
alter table catalog.product drop column search;
alter table catalog.product add column search tsvector generated always as
  (to_tsvector('simple', sku || ' ' || title || ' ' || translate(sku, '-_./:', '     '))) stored;
create index product_search on catalog.product using gin (search) with (fastupdate = off);
analyze catalog.product;
