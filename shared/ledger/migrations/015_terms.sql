-- For people with psql and for drivers: each event that tells a term or an end. A term is the event's own ISO text, not an
-- interval, whose months drivers turn into days. The rules have counted the ends, so nobody needs to count them again.

-- a time of an event, whatever its zone: earlier releases recorded zones that PostgreSQL refuses, and times beyond the calendar
create function recorded_time(told text) returns timestamptz
    language sql stable strict parallel safe as $$
    select least(greatest(
        (regexp_replace(told, '(Z|[+-]\d\d:\d\d)$', '')::timestamp
            - coalesce(substring(told from '[+-]\d\d:\d\d$'), '0:00')::interval) at time zone 'UTC',
        '0001-01-01T00:00:00Z'), '9999-12-31T23:59:59.999999Z')
$$;

create view event_term as
    select slice, position, stream_id, version, type, occurred_at,
           data ->> 'code_ref' as code_ref,
           data ->> 'device_id' as device_id,
           data ->> 'term' as term,
           recorded_time(data ->> 'started_at') as started_at,
           recorded_time(data ->> 'ends_at') as ends_at
    from event_json
    where data ? 'term' or data ? 'ends_at';

grant select on event_term to current_service;
