create table signing_keys (
  -- 0 is the first; a vehicle takes a set only with a higher number than it knows.
  number integer primary key,
  key_id text not null unique,
  public_jwk jsonb not null,
  -- The key set that brings this key to vehicles, signed by the key before.
  key_set text
);

create table bundles (
  id uuid primary key,
  kind text not null check (kind in ('firmware', 'models', 'zones')),
  version text not null,
  size_bytes integer not null,
  sha256 text not null,
  key_id text not null,
  manifest jsonb not null,
  created_at timestamptz not null,
  created_by text not null,
  idempotency_key text not null,
  unique (kind, version)
);

create table rollouts (
  id uuid primary key,
  bundle_id uuid not null references bundles (id),
  kind text not null,
  city_id text,
  state text not null check (state in ('waiting-for-approval', 'delivering', 'soaking', 'paused', 'rolling-back', 'rolled-back', 'complete', 'cancelled')),
  stage integer not null default 0,
  stages jsonb not null,
  -- Counts resumptions: what was cancelled is delivered again by another job.
  attempt integer not null default 0,
  soak_minutes double precision not null,
  approve_each_stage boolean not null,
  thresholds jsonb not null,
  reason text,
  created_at timestamptz not null,
  created_by text not null,
  updated_at timestamptz not null,
  idempotency_key text not null,
  request_hash text not null,
  unique (created_by, idempotency_key)
);
create index rollouts_under_way on rollouts (kind) where state in ('waiting-for-approval', 'delivering', 'soaking', 'paused');

create table targets (
  rollout_id uuid not null references rollouts (id),
  vehicle_id text not null,
  stage integer not null,
  -- Of the job that installs: null until it was made.
  status text,
  attempt integer not null default -1,
  version_number integer not null default 0,
  -- Of the job that undoes.
  undo_status text,
  undo_attempt integer not null default 0,
  undo_version_number integer not null default 0,
  primary key (rollout_id, vehicle_id)
);
create index targets_by_stage on targets (rollout_id, stage, status);

-- What a job says is written down before it is made: made again, it says the same.
create table jobs (
  id text primary key,
  rollout_id uuid not null references rollouts (id),
  purpose text not null check (purpose in ('install', 'undo')),
  document jsonb not null
);
create index jobs_by_rollout on jobs (rollout_id);
