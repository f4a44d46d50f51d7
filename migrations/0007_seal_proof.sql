-- Whoever can write SQL as the runtime role can insert a whole dispatch of his own. The proof is an HMAC
-- under a key that is not in the database, made at the seal and checked before every send.
-- NOT VALID: bodies sealed before this migration have none, are not sent, and wait for a person.
alter table fulfillment.sealed_body
  add column proof_key_id text,
  add column proof bytea,
  add constraint sealed_body_is_proven
    check (proof_key_id is not null and proof is not null and octet_length(proof) = 32) not valid;
