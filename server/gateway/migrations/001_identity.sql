-- What the identity provider remembers: sessions, grants, codes, refresh tokens, interactions.
-- Access tokens are signed, not stored.
create table oidc_records (
  model text not null,
  id text not null,
  payload jsonb not null,
  account_id text,
  grant_id text,
  uid text,
  user_code text,
  consumed_at timestamptz,
  expires_at timestamptz,
  primary key (model, id)
);
create index oidc_records_account on oidc_records (account_id) where account_id is not null;
create index oidc_records_grant on oidc_records (grant_id) where grant_id is not null;
create index oidc_records_uid on oidc_records (model, uid) where uid is not null;
create index oidc_records_user_code on oidc_records (model, user_code) where user_code is not null;
create index oidc_records_expiry on oidc_records (expires_at);

-- Accounts whose tokens are refused although they have not expired yet.
create table refused_accounts (
  account_id uuid primary key,
  reason text not null check (reason in ('suspended', 'erased')),
  since timestamptz not null
);
