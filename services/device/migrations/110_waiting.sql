-- A code that is started, renewed or paid back changes what every device that waits with it is told.

create index device_by_reserve on device (reserve_ref) where reserve_ref is not null;
create index device_by_incoming on device (incoming_ref) where incoming_ref is not null;
