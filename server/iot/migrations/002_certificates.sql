-- Every certificate that our authority has signed, by the SHA-256 of its DER form.
create table certificates (
  id text primary key,
  kind text not null check (kind in ('claim', 'device')),
  -- Of a claim: what people call it. Of a device: its vehicle's id.
  name text not null,
  vehicle_id text,
  status text not null check (status in ('pending', 'active', 'inactive', 'revoked')),
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  public_key_hash bytea not null,
  -- The first connection that was made with it.
  used_at timestamptz,
  -- The one that a device replaces by this one: it ends at the first connection with this one.
  replaces text,
  -- Of a pending one: who asked for it, and the hash of the token that binds it to a vehicle, once.
  asked_by text,
  token_hash bytea unique,
  token_expires_at timestamptz,
  check (kind = 'device' or vehicle_id is null),
  check (status in ('pending', 'revoked') or kind = 'claim' or vehicle_id is not null)
);
create index on certificates (vehicle_id);
create index on certificates (token_expires_at) where status = 'pending';

create table things (
  vehicle_id text primary key,
  -- The claim certificate with which the device came by itself; null when staff made its first certificate.
  provisioned_by text,
  provisioned_at timestamptz not null,
  connected_at timestamptz,
  disconnected_at timestamptz
);

-- The authority's own certificate and the broker's; their keys lie elsewhere.
create table own_certificates (
  purpose text primary key check (purpose in ('authority', 'broker')),
  certificate_pem text not null
);
