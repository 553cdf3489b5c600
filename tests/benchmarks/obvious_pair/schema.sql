-- both databases have these tables, and each service uses its own

create table device (
    device_id uuid primary key,
    current_code text not null,
    reserve_code text,
    status text not null,
    added_at timestamptz,
    verified_at timestamptz
);
create index on device (status);

create table code (
    code text primary key,
    seats integer not null,
    seats_taken integer not null default 0,
    check (seats_taken <= seats)
);

create table handled_message (
    message_id uuid primary key,
    handled_at timestamptz not null default clock_timestamp()
);

create table event (
    event_id uuid primary key,
    device_id uuid not null,
    type text not null,
    data jsonb not null,
    recorded_at timestamptz not null default clock_timestamp()
);
create index on event (device_id);

create table outbox (
    number bigint generated always as identity primary key,
    device_id uuid not null,
    body bytea not null
);
