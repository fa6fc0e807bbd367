-- The last known of vehicles as bytes, many in a row; written every few seconds. Compressing it would cost more than it saves.
create table live_chunks (
  chunk integer primary key,
  cycle bigint not null,
  vehicle_ids jsonb not null,
  zones jsonb not null,
  state bytea not null
);
alter table live_chunks alter column state set storage external;

-- Vehicles of which an event was published since their chunk was written, in the transaction of the event: it is not published again.
create table live_said (
  vehicle_id text primary key,
  cycle bigint not null,
  zones jsonb not null,
  state bytea not null
) with (fillfactor = 60);

-- Up to where each share of the fleet was in the chunks.
create table live_shares (
  only_one boolean primary key default true check (only_one),
  received_at_ms jsonb not null
);

-- Starts of agents, for the health of updates.
create table boots (
  vehicle_id text not null,
  at timestamptz not null,
  starts integer not null,
  primary key (vehicle_id, at)
);
create index boots_at on boots (at);
