-- Devices have certificates now; what they had before went over the wire unencrypted.
drop table devices;
