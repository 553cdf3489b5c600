-- What codes allow, and whether they are blocked: a fold of what the activation service said. The window tells by it
-- what will become of a code in reserve.

create table code_terms (
    code_ref text primary key,
    version integer not null,
    view jsonb not null
);

grant select, insert, update on code_terms to current_service;

insert into projection (name, kept_by) values ('code_terms', 'consumer');
