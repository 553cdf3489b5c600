-- What every batch of a consumer does, in two round trips instead of four. Each statement of such a function sees what
-- was committed before it began, as if a client had sent it: slices are read after their partitions were locked.

-- Locks partitions of a consumer until the commit, and returns them and how far it is in some slices.
create function inbound_hold(of_consumer text, partitions integer[], slices smallint[])
returns table (partition integer, epoch bigint, next_offset bigint, slice smallint, "position" bigint, hash bytea)
language plpgsql as $$ begin
    return query
        select held.partition, held.epoch, held.next_offset, null::smallint, null::bigint, null::bytea
        from inbound_partition held
        where held.consumer = of_consumer and held.partition = any(partitions)
        order by held.partition for update;
    return query
        select null::integer, null::bigint, null::bigint, reached.slice, reached.position, reached.hash
        from inbound_slice reached
        where reached.consumer = of_consumer and reached.slice = any(slices);
end $$;

-- Writes how far a consumer is; then, last of all, locks the heads of the slices that the batch appends to.
create function inbound_move(
    of_consumer text, slices smallint[], positions bigint[], hashes bytea[],
    partitions integer[], next_offsets bigint[], head_slices smallint[]
) returns setof slice_head
language plpgsql as $$ begin
    update inbound_slice here set position = there.position, hash = there.hash
    from unnest(slices, positions, hashes) as there(slice, position, hash)
    where here.consumer = of_consumer and here.slice = there.slice;
    update inbound_partition here set next_offset = there.next_offset
    from unnest(partitions, next_offsets) as there(partition, next_offset)
    where here.consumer = of_consumer and here.partition = there.partition;
    return query select * from slice_head head where head.slice = any(head_slices) order by head.slice for update;
end $$;
