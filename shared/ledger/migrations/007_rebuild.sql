-- A projection is rebuilt in schema `shadow`, beside the live table, and takes its place when both are equal.

create schema shadow;

-- which tables are folds, and whose: a decider's row is written with its event, a consumer's when the event is heard.
-- Only the owner adds one: nobody else can have a table replaced.
create table projection (
    name text primary key,
    kept_by text not null check (kept_by in ('consumer', 'decider'))
);

-- a rebuild under way: from which log, by which release, and which attempt at it may write
create table rebuild (
    name text primary key references projection,
    source text not null check (source in ('kafka', 'ledger')),
    release text not null,
    compared boolean not null default false,
    epoch bigint not null default 1,
    started_at timestamptz not null default now()
);
create table rebuild_slice (
    name text not null references rebuild on delete cascade,
    slice smallint not null,
    position bigint not null,
    hash bytea not null,
    primary key (name, slice)
);
create table rebuild_partition (
    name text not null references rebuild on delete cascade,
    partition integer not null,
    next_offset bigint not null,
    seen_offset bigint not null,
    repeated bigint not null,
    first_repeated text,
    primary key (name, partition)
);

-- makes an empty shadow of a projection's table, with its indexes, checks and rights
create function open_shadow(projection_name text) returns void
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    live regclass;
    storage text;
    allowed record;
begin
    select name::regclass into strict live from projection where name = projection_name;
    select ' with (' || array_to_string(reloptions, ', ') || ')' into storage from pg_class where oid = live;
    execute format('drop table if exists shadow.%I', projection_name);
    execute format('create table shadow.%I (like public.%1$I including all)%s', projection_name, coalesce(storage, ''));
    for allowed in
        select grantee::regrole as role, privilege_type as what
        from pg_class, aclexplode(relacl) where oid = live and grantee <> relowner and grantee <> 0
    loop
        execute format('grant %s on shadow.%I to %s', allowed.what, projection_name, allowed.role);
    end loop;
end $$;

-- puts the shadow in the live table's place; whoever waits for the table finds the new one
create function swap_shadow(projection_name text) returns void
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform from projection where name = projection_name and kept_by = 'consumer';
    if not found then
        raise exception 'no table % may be replaced', projection_name;
    end if;
    execute format('drop table public.%I', projection_name);
    execute format('alter table shadow.%I set schema public', projection_name);
end $$;

create function close_shadow(projection_name text) returns void
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform from projection where name = projection_name;
    if found then
        execute format('drop table if exists shadow.%I', projection_name);
    end if;
end $$;

revoke all on function open_shadow(text), swap_shadow(text), close_shadow(text) from public;
grant execute on function open_shadow(text), swap_shadow(text), close_shadow(text) to current_service;
grant usage on schema shadow to current_service;
grant select on projection to current_service;
grant select, insert, update, delete on rebuild, rebuild_slice, rebuild_partition to current_service;
