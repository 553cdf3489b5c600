-- What of the device service is a fold and can be made anew from the events.

insert into projection (name, kept_by) values ('license_view', 'consumer'), ('device', 'decider');
