-- Who is logged in at the console: only hashes of what the browsers keep, so that a copy of this table opens nothing.

create table console_session (
    token_hash bytea primary key,
    operator text not null,
    opened_with text not null,
    ends_at timestamptz not null
);
grant select, insert, delete on console_session to current_service;
