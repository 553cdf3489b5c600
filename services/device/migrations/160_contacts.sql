-- What tells a lost answer from a clone, and when a device has counted on for long enough to be trusted again.

alter table device_contact
    add column repeated bigint,
    add column counted_on integer not null default 0;
