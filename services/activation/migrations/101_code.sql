-- What the activation service's rules read: a fold of the ledger, guarded by the schema.

create table code (
    code_ref text primary key,
    slice smallint not null,
    version integer not null,
    state jsonb not null,
    last_group text,
    seats integer not null,
    seats_taken integer not null,
    check (seats_taken between 0 and seats)
) with (fillfactor = 70);

create table seat (
    code_ref text not null references code,
    device_id text not null,
    primary key (code_ref, device_id)
);
create index seat_by_device on seat (device_id);

-- the first activation of a code: set once, never changed (no update or delete is granted)
create table first_activation (
    code_ref text primary key references code,
    started_at timestamptz not null
);

grant select, insert, update on code to current_service;
grant select, insert, delete on seat to current_service;
grant select, insert on first_activation to current_service;
