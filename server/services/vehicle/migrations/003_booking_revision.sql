-- 0: said by an event from before bookings counted their changes; then the time of the event decides.
alter table bookings add column revision integer not null default 0;
