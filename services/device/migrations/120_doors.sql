-- What the doors keep beside the ledger: who may speak for a device, how often it spoke, what a fleet was sent.

-- one token speaks for a device and its add-on products
create index device_token_by_hash on device_token (token_hash);
grant update (token_hash) on device_token to current_service;

-- the last that a device said of itself; a reinstalled device counts from the start
create table device_contact (
    device_id text primary key references device,
    sequence bigint not null,
    contacted_at timestamptz not null
) with (fillfactor = 70);
grant select, insert, update, delete on device_contact to current_service;

create index device_part_of on device ((state ->> 'part_of')) where state ->> 'part_of' is not null;

-- one code for many devices; a device without a result was not served yet
create table fleet_request (
    request_id uuid primary key,
    key_hash bytea unique,
    request_hash bytea not null,
    code_ref text not null,
    last_group text not null,
    requested_at timestamptz not null
);
create table fleet_device (
    request_id uuid not null references fleet_request,
    device_id text not null,
    result text,
    reason text,
    primary key (request_id, device_id)
) with (fillfactor = 50);
grant select, insert on fleet_request to current_service;
grant select, insert on fleet_device to current_service;
grant update (result, reason) on fleet_device to current_service;
