-- What the device service's rules read, and what people see. Both are folds of the ledger.

create table device (
    device_id text primary key,
    slice smallint not null,
    version integer not null,
    state jsonb not null,
    license_ref text,
    reserve_ref text,
    incoming_ref text,
    expires_at timestamptz,
    retry_at timestamptz
) with (fillfactor = 70);
create index device_expiring on device (slice, expires_at) where expires_at is not null;
create index device_retrying on device (slice, retry_at) where retry_at is not null;
create index device_by_license on device (license_ref) where license_ref is not null;

create table device_token (
    device_id text primary key references device,
    token_hash bytea not null
);

create table license_view (
    device_id text primary key,
    version integer not null,
    view jsonb not null
) with (fillfactor = 70);

grant select, insert, update on device, license_view to current_service;
grant select, insert on device_token to current_service;
