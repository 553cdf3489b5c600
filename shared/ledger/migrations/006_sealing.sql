-- The keys that seal what events tell of a person. A key that is gone takes all that it sealed with it: the events
-- stay, and with them the hash chain. The subject is an id; a name or an address may not be one.

create table subject_key (
    key_id text primary key,
    subject text not null,
    key bytea check (octet_length(key) = 32),
    destroyed_at timestamptz,
    check ((key is null) = (destroyed_at is not null))
);
-- who comes back after being erased begins with a new key
create unique index subject_key_in_use on subject_key (subject) where destroyed_at is null;

-- no row may go: that a key was destroyed must stay to be seen
grant select, insert on subject_key to current_service;
grant update (key, destroyed_at) on subject_key to current_service;
