-- What the doors keep beside the ledger: who may speak for a vendor, and which codes a customer has.

create table vendor_key (
    key_hash bytea primary key,
    key_id uuid not null unique,
    vendor text not null,
    made_at timestamptz not null
);
grant select, insert, delete on vendor_key to current_service;

-- only until the customer is erased
create table code_customer (
    vendor text not null,
    subject text not null,
    code_ref text not null references code,
    primary key (vendor, subject, code_ref)
);
grant select, insert, delete on code_customer to current_service;
