-- Lists and counts of devices, each walked along an index of its own: a device is in exactly one of the first three.
create index device_by_end on device (expires_at, device_id) where expires_at is not null;
create index device_over on device (device_id) where license_ref is not null and expires_at is null;
create index device_unlicensed on device (device_id) where license_ref is null;

-- what the home page of the console tells of the last days; no other event pays for these
create index event_refused on event (occurred_at, event_id)
    where type in ('CodeRejected', 'ActivationRefused', 'RemovalRefused');
create index event_renewed on event (occurred_at, event_id) where type = 'LicenseRenewed';
