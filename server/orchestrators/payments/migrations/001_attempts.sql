-- What providers were asked to do. A row is written before a provider is called, so that after a
-- cut at any line it is known who has to be asked how it ended.
create table attempts (
  attempt text primary key,
  kind text not null check (kind in ('authorise', 'capture', 'void', 'refund')),
  request jsonb not null,
  state text not null check (state in ('asking', 'unknown', 'action-required', 'final')),
  -- the provider that was asked last; those before it certainly did nothing
  provider text not null check (provider in ('stripe', 'adyen')),
  outcome jsonb,
  requested_at timestamptz not null,
  updated_at timestamptz not null,
  check (state <> 'final' or outcome is not null)
);
-- for the cleaning of what ended long ago
create index attempts_final on attempts (updated_at) where state = 'final';
