create table accounts (
  id uuid primary key,
  -- Null when the account was erased: the address is free again.
  email text unique,
  name text not null,
  birth_date date,
  locale text not null check (locale in ('en', 'de')),
  roles text[] not null,
  state text not null default 'active' check (state in ('active', 'suspended', 'erased')),
  -- Argon2id with its parameters; null for accounts that sign in by command only.
  password_hash text,
  identity_verified boolean not null default false,
  marketing_consent boolean not null default false,
  created_at timestamptz not null,
  erased_at timestamptz,
  check (state <> 'erased' or (email is null and birth_date is null and password_hash is null and name = ''))
);

create table licences (
  account_id uuid primary key references accounts (id) on delete cascade,
  classes text[] not null,
  country text not null,
  expires_on date not null,
  -- The number itself is not kept: its end for people to recognise, a keyed digest to compare.
  number_ending text not null,
  number_digest text not null,
  verified boolean not null,
  submitted_at timestamptz not null
);

-- What a person agreed to and when; never changed, removed with the account.
create table consents (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  purpose text not null,
  given boolean not null,
  decided_at timestamptz not null
);
create index consents_account on consents (account_id);

-- Registrations by idempotency key; the digest leaves the password out, which is compared by its own hash.
create table registrations (
  key_digest text primary key,
  request_digest text not null,
  account_id uuid not null references accounts (id) on delete cascade,
  created_at timestamptz not null
);
create index registrations_created_at on registrations (created_at);
create index registrations_account on registrations (account_id);

-- What erasure has to know about other services, learnt from their events. Settled rows stay, so that a
-- late older event cannot open them again.
create table bookings (
  booking_id uuid primary key,
  rider_id uuid not null,
  open boolean not null
);
create index bookings_open on bookings (rider_id) where open;

create table debts (
  booking_id uuid primary key,
  rider_id uuid not null,
  amount_minor bigint not null,
  currency text not null
);
create index debts_rider on debts (rider_id);
