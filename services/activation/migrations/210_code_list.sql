-- Lists of codes in the console, each walked along an index. They are on the view, which a consumer keeps after the fact:
-- the table that decisions write has no index on its state, and its updates stay in place. Ends are compared as texts:
-- all are in UTC and alike up to their seconds.
create index code_view_by_end on code_view ((view #>> '{code,ends_at}') collate "C", code_ref)
    where view #>> '{code,ends_at}' is not null;
create index code_view_unused on code_view (code_ref) where view #>> '{code,ends_at}' is null;
create index code_view_blocked on code_view (code_ref) where view #>> '{code,blocked}' = 'true';
