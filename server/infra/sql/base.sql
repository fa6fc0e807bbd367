-- What every module's schema has: events and timers that are part of a transaction.

-- Events that wait to be appended to the log; a row is deleted when it was.
create table if not exists outbox (
  id bigint generated always as identity primary key,
  topic text not null,
  event jsonb not null
);

-- Events that were handled; twice is once.
create table if not exists inbox (
  event_id uuid primary key,
  handled_at timestamptz not null default now()
);
create index if not exists inbox_handled_at on inbox (handled_at);

create table if not exists timers (
  kind text not null,
  key text not null,
  due_at timestamptz not null,
  payload jsonb,
  attempts integer not null default 0,
  -- A moved timer gets a new generation, so that a worker in the middle of the old one does not delete it.
  generation bigint generated always as identity,
  -- By the clock of the modules: not to be tried before.
  locked_until timestamptz,
  -- Of the work that set it.
  traceparent text,
  primary key (kind, key)
);
-- Not "if not exists", which locks the table each time.
do $$ begin
  if not exists (select from pg_attribute where attrelid = 'timers'::regclass and attname = 'traceparent' and not attisdropped) then alter table timers add column traceparent text; end if;
end $$;
create index if not exists timers_due_at on timers (due_at);

-- A worker's claim, by the clock of the database, and the generation that it was made for: who moves a timer while it is
-- being handled leaves the claim as it is, so that a timer is handled by one worker at a time.
alter table timers add column if not exists leased_until timestamptz;
alter table timers add column if not exists leased_for bigint;
