-- The secret of a device exists here as a hash only.
create table devices (
  vehicle_id text primary key,
  secret_hash bytea not null,
  issued_at timestamptz not null
);

-- What vehicles verify unlock tokens with; retained on `platform/unlock-keys`.
create table unlock_keys (
  only_row boolean primary key default true check (only_row),
  keys jsonb not null
);
