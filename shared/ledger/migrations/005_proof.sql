-- What proves history is derived from it and could be computed again; kept, so that only fresh events are read.

-- the right edge of each slice's Merkle tree: how many events it covers, the chain's hash there, and its peaks
create table slice_tree (
    slice smallint primary key,
    size bigint not null default 0,
    hash bytea not null default decode(repeat('00', 32), 'hex'),
    peaks bytea not null default ''
) with (fillfactor = 25);
insert into slice_tree (slice) select generate_series(0, 255);

-- how far a topic that the relay does not serve (the next version, say) was filled from here
create table slice_copied (
    topic text not null,
    slice smallint not null,
    position bigint not null,
    primary key (topic, slice)
) with (fillfactor = 25);

grant select, update on slice_tree to current_service;
grant select, insert, update on slice_copied to current_service;
