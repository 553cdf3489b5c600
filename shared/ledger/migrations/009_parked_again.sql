-- A topic that was deleted and made again has another record at an offset where one was parked before: each is kept,
-- the `ordinal`th of its place. (The default is for a worker of the last release that still runs.)

alter table parked add column ordinal integer not null default 1 check (ordinal > 0);
alter table parked drop constraint parked_pkey, add primary key (consumer, topic, partition, "offset", ordinal);
