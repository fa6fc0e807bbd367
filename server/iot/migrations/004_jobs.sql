create table jobs (
  id text primary key,
  document jsonb not null,
  in_progress_timeout_minutes int,
  created_at timestamptz not null
);

create table job_executions (
  job_id text not null references jobs (id),
  vehicle_id text not null,
  -- As of AWS IoT Jobs.
  status text not null check (status in ('QUEUED', 'IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'REJECTED', 'REMOVED', 'CANCELED')),
  status_details jsonb not null default '{}',
  version_number int not null default 1,
  execution_number bigint generated always as identity,
  queued_at timestamptz not null,
  started_at timestamptz,
  updated_at timestamptz not null,
  -- Whoever says nothing until then has timed out.
  times_out_at timestamptz,
  primary key (job_id, vehicle_id)
);
create index on job_executions (vehicle_id, execution_number) where status in ('QUEUED', 'IN_PROGRESS');
