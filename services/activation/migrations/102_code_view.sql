-- What people see of a code, and what of the activation service is a fold and can be made anew from the events.

create table code_view (
    code_ref text primary key,
    version integer not null,
    view jsonb not null
) with (fillfactor = 70);

grant select, insert, update on code_view to current_service;

insert into projection (name, kept_by) values
    ('code_view', 'consumer'),
    ('code', 'decider'),
    ('seat', 'decider'),
    ('first_activation', 'decider');
