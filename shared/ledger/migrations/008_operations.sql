-- What operators look at and order without SQL: parked records set aside for good, how far everything is, rebuilds.

-- a record that will never be handled stays, with the reason that somebody gave
alter table parked add column discarded_at timestamptz, add column discard_note text;
alter table parked add check ((discarded_at is null) = (discard_note is null));
alter table parked add check (redriven_at is null or discarded_at is null);

-- what each worker reads of its consumers every few seconds, kept for minutes: the trend of all workers together
create unlogged table reading (
    read_at timestamptz not null,
    subject text not null,
    worker text not null,
    waiting bigint not null,
    seconds double precision not null,
    gap_waits integer not null,
    moved_at timestamptz not null,
    problem text,
    primary key (read_at, subject, worker)
);

-- the last rebuild of each projection that was ordered at a door: how far it is, and what came of it
create table rebuild_order (
    name text primary key references projection,
    source text not null check (source in ('kafka', 'ledger')),
    accept_differences boolean not null,
    ordered_at timestamptz not null default now(),
    told_at timestamptz not null default now(),
    done bigint not null default 0,
    total bigint not null default 0,
    per_second double precision not null default 0,
    finished_at timestamptz,
    outcome jsonb,
    check ((finished_at is null) = (outcome is null))
);

grant select, insert, delete on reading to current_service;
grant select, insert, update on rebuild_order to current_service;
