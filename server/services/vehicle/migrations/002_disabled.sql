-- Told to be disabled, and not to be enabled since: not to be rented, whether the vehicle has said so yet or not.
alter table vehicles add column disabled boolean not null default false;
