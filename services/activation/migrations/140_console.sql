-- Who is logged in at the console: only hashes of what the browsers keep, so that a copy of this table opens nothing.

create table console_session (
    token_hash bytea primary key,
    operator text not null,
    opened_with text not null,
    ends_at timestamptz not null
);
grant select, insert, delete on console_session to current_service;

-- the search of support: a code by its last group, and an order by its id. What an index may compute must never depend
-- on a setting, as reading bytes as text does: the id is cut out of the escaped bytes, up to its first quote.
create index code_by_last_group on code (last_group, code_ref);
create index event_by_order on event (substring(encode(data, 'escape') from '"order_id":"([^"]*)"'))
    where type in ('LicenseRenewed', 'LicenseShortened', 'PurchaseAnnounced', 'PurchaseCancelled', 'PurchaseRefused');
