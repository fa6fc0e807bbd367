create table quotes (
  id uuid primary key,
  rider_id uuid not null,
  vehicle_id text not null,
  starts_at timestamptz,
  minutes integer not null,
  multiplier double precision not null,
  answer jsonb not null,
  expires_at timestamptz not null,
  idempotency_key text not null,
  request_hash text not null,
  unique (rider_id, idempotency_key)
);
create index quotes_expires_at on quotes (expires_at);

create table bookings (
  id uuid primary key,
  rider_id uuid not null,
  vehicle_id text not null,
  vehicle_type text not null,
  model text not null,
  state text not null check (state in ('reserved', 'confirmed', 'riding', 'paused', 'ended', 'charged', 'cancelled', 'expired', 'failed')),
  fixed_time boolean not null,
  minutes integer not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  reserved_until timestamptz not null,
  started_at timestamptz,
  ended_at timestamptz,
  paused_since timestamptz,
  paused_seconds double precision not null default 0,
  start_position jsonb,
  end_position jsonb,
  start_odometer_metres double precision,
  distance_metres double precision,
  multiplier double precision not null,
  -- What was agreed on when booking; later changes of the catalogue do not touch it.
  terms jsonb not null,
  -- The final price, once ended.
  price jsonb,
  authorised_minor bigint not null,
  payment_state text not null default 'none',
  action_url text,
  failure_code text,
  -- The last unlock token runs out then; until the vehicle has spoken after it, the vehicle may be open.
  token_expires_at timestamptz,
  unlock_command_id uuid,
  lock_command_id uuid,
  photo_ids uuid[] not null default '{}',
  feedback jsonb,
  -- Takes the rider's one place for an active ride.
  takes_place boolean not null,
  idempotency_key text not null,
  request_hash text not null,
  created_at timestamptz not null,
  check (starts_at < ends_at),
  check (started_at is null or ended_at is null or started_at <= ended_at),
  unique (rider_id, idempotency_key),
  constraint bookings_never_overlap exclude using gist (vehicle_id with =, tstzrange(starts_at, ends_at) with &&)
    where (state in ('reserved', 'confirmed', 'riding', 'paused'))
);
create unique index bookings_one_active_ride on bookings (rider_id) where takes_place and state in ('reserved', 'confirmed', 'riding', 'paused');
create unique index bookings_one_rider_in_the_vehicle on bookings (vehicle_id) where state in ('riding', 'paused');
create index bookings_by_rider on bookings (rider_id, id desc);
create index bookings_open on bookings (state) where state in ('reserved', 'confirmed', 'riding', 'paused', 'ended');

create table photos (
  id uuid primary key,
  rider_id uuid not null,
  content_type text not null,
  digest text not null,
  created_at timestamptz not null,
  idempotency_key text not null,
  unique (rider_id, idempotency_key)
);
