create table incidents (
  id uuid primary key,
  kind text not null check (kind in ('collision', 'tamper', 'manual')),
  state text not null check (state in ('open', 'checking', 'escalated', 'dispatched', 'on-site', 'closed')),
  severity text not null check (severity in ('low', 'medium', 'high', 'critical')),
  vehicle_id text not null,
  booking_id uuid,
  -- Who rode at the moment of the impact; known once the Booking service has said so, forgotten when the person is erased.
  rider_id uuid,
  occurred_at timestamptz not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  position jsonb not null,
  peak_g double precision,
  tamper text,
  assignee text,
  rider_answer text check (rider_answer in ('fine', 'help')),
  asked_at timestamptz,
  answer_by timestamptz,
  resolution text,
  -- The moment of the last alert that belongs to it: what comes soon after joins it.
  last_alert_at timestamptz not null,
  disable_command_id uuid,
  enable_command_id uuid,
  -- Of the request that opened it by hand.
  idempotency_key text unique,
  request_hash text,
  check ((state = 'closed') = (closed_at is not null))
);
create index incidents_open on incidents (vehicle_id) where state <> 'closed';
create index incidents_by_vehicle on incidents (vehicle_id, id desc);
create index incidents_by_rider on incidents (rider_id) where rider_id is not null;

-- Every alert that was taken, once: an alert that comes again changes nothing.
create table alerts (
  id uuid primary key,
  incident_id uuid not null references incidents (id)
);

-- What is large, and read only when one looks at an incident.
create table evidence (
  incident_id uuid primary key references incidents (id),
  motion jsonb,
  telemetry jsonb not null default '[]'
);

create table timeline (
  number bigint generated always as identity primary key,
  incident_id uuid not null references incidents (id),
  at timestamptz not null,
  kind text not null,
  by text not null,
  text text not null,
  -- Of the request that wrote it, or the step that is taken once.
  idempotency_key text,
  unique (incident_id, idempotency_key)
);
