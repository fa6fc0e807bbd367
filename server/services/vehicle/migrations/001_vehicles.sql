-- A city and what belongs to it. Definitions are stored as they came, so that adding a member needs no migration.
create table cities (
  id text primary key,
  name text not null,
  country text not null,
  time_zone text not null,
  center jsonb not null,
  parking text not null,
  source jsonb not null,
  currency text not null,
  -- Of the whole definition: the same definition again changes nothing.
  digest text not null,
  changed_at timestamptz not null
);

create table catalogue (
  city_id text not null references cities (id),
  kind text not null check (kind in ('tariff', 'model', 'bay', 'zone')),
  id text not null,
  -- The order of the definition: where two pricing zones overlap, the first counts.
  place integer not null,
  definition jsonb not null,
  primary key (city_id, kind, id)
);

create table vehicles (
  id text primary key,
  city_id text not null references cities (id),
  model_id text not null,
  tariff_id text not null,
  plate text,
  lat double precision not null,
  lon double precision not null,
  battery_percent double precision not null,
  -- In the definition of its city, and in service there.
  listed boolean not null,
  -- What staff say.
  in_service boolean not null,
  -- Added by itself and not by a city's definition, which therefore does not remove it.
  registered boolean not null,
  registered_at timestamptz not null,
  -- Of the request that added it by itself.
  idempotency_key text unique,
  request_hash text
);

-- The last state that each vehicle reported; the live state is rebuilt from it.
create table states (
  vehicle_id text primary key references vehicles (id),
  sequence bigint not null,
  seen_at timestamptz not null,
  state jsonb not null
);

-- What the Booking service said about bookings that hold a vehicle.
create table bookings (
  id uuid primary key,
  vehicle_id text not null,
  state text not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  -- The time of the last event: what is older comes too late.
  said_at timestamptz not null
);
create index bookings_that_hold on bookings (vehicle_id) where state in ('reserved', 'confirmed', 'riding', 'paused');

create table commands (
  id uuid primary key,
  vehicle_id text not null references vehicles (id),
  kind text not null,
  booking_id uuid,
  rider_id uuid,
  state text not null check (state in ('pending', 'sent', 'verified', 'refused', 'expired')),
  reason text,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index commands_open on commands (vehicle_id) where state in ('pending', 'sent');
