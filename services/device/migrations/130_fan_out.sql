-- How far an event about a whole code has come, if its devices are too many for one transaction: up to which device id.

create table fan_out (
    event_id text primary key,
    told_up_to text not null
);
grant select, insert, delete on fan_out to current_service;
