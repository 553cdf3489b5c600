-- The trials that each device has had, from its log: it gets only so many of a product, also those of before this release.

-- a trial counts once, for the product that was installed when it first became the license
create view trial_history as
with activated as (
    select stream_id, version, convert_from(data, 'UTF8')::jsonb ->> 'code_ref' as code_ref
    from event
    where type = 'LicenseActivated' and convert_from(data, 'UTF8')::jsonb ->> 'kind' = 'trial'
),
first as (
    select distinct on (stream_id, code_ref) stream_id, code_ref, version
    from activated order by stream_id, code_ref, version
)
select stream_id as device_id,
       jsonb_agg(jsonb_build_object('product', installed.product, 'code_ref', code_ref) order by first.version) as trials
from first cross join lateral (
    select convert_from(data, 'UTF8')::jsonb ->> 'product' as product
    from event
    where event.stream_id = first.stream_id and event.version < first.version
        and type in ('DeviceEnrolled', 'InstallationChanged')
    order by event.version desc limit 1
) as installed
group by stream_id;

-- A worker of the last release that still runs forgets the trials of the devices that it writes. Once the last one is
-- replaced, this brings them back. It takes nothing from a device that had another trial in the meantime.
create function remember_trials() returns void language sql as $$
    update device set state = jsonb_set(state, '{trials}', trials) from trial_history as known
    where known.device_id = device.device_id
        and jsonb_array_length(coalesce(state -> 'trials', '[]')) < jsonb_array_length(trials);
    update license_view set view = jsonb_set(view, '{device,trials}', trials) from trial_history as known
    where known.device_id = license_view.device_id
        and jsonb_array_length(coalesce(view #> '{device,trials}', '[]')) < jsonb_array_length(trials);
$$;
select remember_trials();
