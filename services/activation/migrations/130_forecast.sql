-- Which devices will switch to their reserve, and when: a fold of what the device service said.

create table switchover_forecast (
    device_id text primary key,
    version integer not null,
    view jsonb not null
) with (fillfactor = 70);

-- a page of the forecast, and the rivals for the seats of one code, each in the order of their switches
create index switchover_by_time on switchover_forecast (((view ->> 'switch_ms')::bigint), device_id)
    where view ->> 'switch_ms' is not null;
create index switchover_by_reserve
    on switchover_forecast ((view -> 'reserve' ->> 'code_ref'), ((view ->> 'switch_ms')::bigint), device_id)
    where view ->> 'switch_ms' is not null;

grant select, insert, update on switchover_forecast to current_service;

insert into projection (name, kept_by) values ('switchover_forecast', 'consumer');
