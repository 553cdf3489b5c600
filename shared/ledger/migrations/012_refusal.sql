-- The refusals that requests under an idempotency key put on record. They are no answers for ever (R-142): the request is
-- decided again, but the same refusal of the same request is recorded once (R-09).
create table refusal (
    scope text not null,
    key text not null,
    request_hash bytea not null,
    reason text not null,
    recorded_at timestamptz not null,
    primary key (scope, key, request_hash, reason)
);

grant select, insert on refusal to current_service;
