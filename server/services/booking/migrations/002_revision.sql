-- Counts the changes of state: what came later is told by this, not by a clock, which somebody may set back.
alter table bookings add column revision integer not null default 1;
