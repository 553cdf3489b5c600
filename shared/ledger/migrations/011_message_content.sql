-- A message that comes again is passed over only if it says the same: the hash tells. Messages that earlier releases
-- handled, and workers of the last release that still run, say no hash: theirs are known by source and id alone.

alter table inbound_message add column content_hash bytea;
