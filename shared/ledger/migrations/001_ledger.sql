-- The ledger of one service: events, the heads of its slices, and what travels in and out.
-- Written once, never edited: a change is the next file.

create table ledger (
    only_row boolean primary key default true check (only_row),
    service text not null,
    mode text not null check (mode in ('production', 'sandbox')),
    clock_offset_ms bigint not null default 0 check (clock_offset_ms >= 0),
    check (mode = 'sandbox' or clock_offset_ms = 0)
);

create table event (
    slice smallint not null check (slice between 0 and 255),
    position bigint not null check (position > 0),
    stream_id text not null,
    version integer not null check (version > 0),
    type text not null,
    schema_version smallint not null,
    event_id uuid not null unique,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    correlation_id uuid not null,
    causation_id uuid,
    traceparent text,
    data bytea not null,
    prev_hash bytea not null,
    hash bytea not null,
    primary key (slice, position),
    unique (stream_id, version)
);

-- for people with psql: the exact bytes, readable
create view event_json as
    select slice, position, stream_id, version, type, schema_version, event_id, occurred_at, recorded_at,
           correlation_id, causation_id, convert_from(data, 'UTF8')::jsonb as data
    from event;

-- few rows, updated at every append: room on the page keeps the updates in place
create table slice_head (
    slice smallint primary key,
    position bigint not null default 0,
    hash bytea not null default decode(repeat('00', 32), 'hex')
) with (fillfactor = 25);
create table slice_published (
    slice smallint primary key,
    position bigint not null default 0
) with (fillfactor = 25);
insert into slice_head (slice) select generate_series(0, 255);
insert into slice_published (slice) select generate_series(0, 255);

create table worker (
    name text primary key,
    seen_at timestamptz not null
);
create table lease (
    slice_group smallint primary key check (slice_group between 0 and 15),
    owner text,
    epoch bigint not null default 0,
    expires_at timestamptz
);
insert into lease (slice_group) select generate_series(0, 15);

create table inbound_partition (
    consumer text not null,
    partition integer not null,
    epoch bigint not null,
    next_offset bigint not null default 0,
    primary key (consumer, partition)
) with (fillfactor = 50);
create table inbound_slice (
    consumer text not null,
    slice smallint not null,
    position bigint not null default 0,
    hash bytea not null default decode(repeat('00', 32), 'hex'),
    primary key (consumer, slice)
) with (fillfactor = 25);
create table inbound_message (
    source text not null,
    id text not null,
    primary key (source, id)
);

create table parked (
    consumer text not null,
    topic text not null,
    partition integer not null,
    "offset" bigint not null,
    key bytea,
    headers jsonb not null,
    value bytea not null,
    reason text not null,
    detail text not null,
    parked_at timestamptz not null,
    redriven_at timestamptz,
    primary key (consumer, topic, partition, "offset")
);

create table idempotency (
    scope text not null,
    key text not null,
    request_hash bytea not null,
    status smallint not null,
    answer jsonb not null,
    recorded_at timestamptz not null,
    primary key (scope, key)
);

-- the services' role may add to history, never change it
grant select, insert on event, inbound_message, idempotency to current_service;
grant select, insert, update on worker, parked, inbound_partition, inbound_slice to current_service;
grant delete on worker to current_service;
grant select, update on slice_head, slice_published, lease to current_service;
grant select, insert on ledger to current_service;
grant update (clock_offset_ms) on ledger to current_service;
grant select on event_json to current_service;
