-- A changed order goes to a partner only after the old one is rejected or recalled (HDP/1 §1.2 rule 4):
-- of one order a partner has one revision at a time.
create unique index one_revision_with_partner
  on fulfillment.fulfillment_order (merchant_id, order_id, partner_id)
  where state in ('sealed', 'accepted', 'shipped', 'delivered');
