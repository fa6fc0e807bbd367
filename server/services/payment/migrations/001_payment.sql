create table payment_methods (
  id uuid primary key,
  rider_id uuid not null,
  -- the references that providers know the card by; one card may be known to both
  methods jsonb not null,
  provider text not null check (provider in ('stripe', 'adyen')),
  brand text not null,
  last4 text not null,
  idempotency_key text,
  request_hash text,
  created_at timestamptz not null,
  removed_at timestamptz,
  unique (rider_id, idempotency_key)
);
create index payment_methods_of_rider on payment_methods (rider_id, created_at desc) where removed_at is null;

-- One payment for each booking. The amounts are minor units of the currency.
create table payments (
  booking_id uuid primary key,
  rider_id uuid not null,
  method_id uuid references payment_methods,
  state text not null check (state in ('pending', 'action-required', 'authorised', 'declined', 'capture-pending', 'captured', 'capture-failed', 'voided')),
  provider text check (provider in ('stripe', 'adyen')),
  provider_reference text,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  requested_minor bigint not null check (requested_minor > 0),
  authorised_minor bigint not null default 0 check (authorised_minor >= 0),
  captured_minor bigint not null default 0 check (captured_minor >= 0),
  refunded_minor bigint not null default 0 check (refunded_minor >= 0 and refunded_minor <= captured_minor),
  debt_minor bigint not null default 0 check (debt_minor >= 0),
  return_url text,
  action_url text,
  failure_code text,
  -- the final price, as it was handed over with the capture
  charge jsonb,
  void_requested boolean not null default false,
  -- somebody was told "pending", so the end of it has to be told
  answered_pending boolean not null default false,
  checks integer not null default 0,
  -- when an unsettled payment is looked at again, also after a cut
  next_check_at timestamptz,
  created_at timestamptz not null,
  check (charge is null or captured_minor + debt_minor <= (charge->>'totalMinor')::bigint)
);
create index payments_to_check on payments (next_check_at) where next_check_at is not null;
create index payments_with_debt on payments (rider_id) where debt_minor > 0;
create index payments_by_method on payments (method_id) where state in ('pending', 'action-required', 'authorised', 'capture-pending');

create table refunds (
  id uuid primary key,
  booking_id uuid not null references payments,
  owner text not null,
  idempotency_key text not null,
  request_hash text not null,
  amount_minor bigint not null check (amount_minor > 0),
  reason text not null,
  state text not null check (state in ('open', 'done', 'failed')),
  checks integer not null default 0,
  next_check_at timestamptz,
  created_at timestamptz not null,
  unique (owner, idempotency_key)
);
create index refunds_of_booking on refunds (booking_id);
create index refunds_to_check on refunds (next_check_at) where next_check_at is not null;

-- Everything that a provider was ever asked for. Written before it is asked.
create table attempts (
  attempt text primary key,
  booking_id uuid not null references payments,
  kind text not null check (kind in ('authorise', 'capture', 'extra', 'void', 'debt', 'refund')),
  amount_minor bigint not null check (amount_minor >= 0),
  state text not null check (state in ('open', 'succeeded', 'declined', 'unavailable', 'abandoned')),
  method_id uuid references payment_methods,
  provider text,
  provider_reference text,
  -- refunds: which refund this is a leg of, and the charge that it gives back from
  refund_id uuid references refunds,
  charge_attempt text references attempts,
  created_at timestamptz not null
);
create index attempts_of_booking on attempts (booking_id);
-- Nothing is asked for twice at a time: one open step of a booking, besides refunds.
create unique index one_open_attempt on attempts (booking_id) where state = 'open' and kind <> 'refund';
-- A hold is captured once and a price beyond it charged once.
create unique index captured_once on attempts (booking_id, kind) where state = 'succeeded' and kind in ('authorise', 'capture', 'extra', 'void');

create table ledger_entries (
  id uuid primary key,
  booking_id uuid not null,
  kind text not null check (kind in ('ride-charged', 'payment-received', 'refund')),
  -- what caused it; with the kind it names the entry, so that nothing is booked twice
  reference text not null,
  booked_at timestamptz not null,
  unique (kind, reference)
);
-- Debits are positive, credits negative.
create table ledger_postings (
  entry_id uuid not null references ledger_entries,
  account text not null,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  amount_minor bigint not null check (amount_minor <> 0),
  primary key (entry_id, account, currency)
);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, tg_op using errcode = 'integrity_constraint_violation';
end $$;
create trigger append_only before update or delete on ledger_entries for each row execute function refuse_change();
create trigger append_only before update or delete on ledger_postings for each row execute function refuse_change();
create trigger append_only_all before truncate on ledger_entries for each statement execute function refuse_change();
create trigger append_only_all before truncate on ledger_postings for each statement execute function refuse_change();

create function check_entry_balance() returns trigger language plpgsql as $$
declare
  off_by bigint;
begin
  select sum(amount_minor) into off_by from ledger_postings where entry_id = new.entry_id group by currency having sum(amount_minor) <> 0 limit 1;
  if found then
    raise exception 'ledger entry % does not balance: off by %', new.entry_id, off_by using errcode = 'integrity_constraint_violation';
  end if;
  return null;
end $$;
create constraint trigger balanced after insert on ledger_postings deferrable initially deferred for each row execute function check_entry_balance();

create table receipts (
  number text primary key,
  booking_id uuid not null unique references payments,
  rider_id uuid not null,
  document jsonb not null,
  issued_at timestamptz not null
);
create trigger immutable before update or delete on receipts for each row execute function refuse_change();

-- A counter in a table has no gaps: a transaction that is rolled back gives its number back.
create table receipt_counters (
  year integer primary key,
  last integer not null check (last > 0)
);
