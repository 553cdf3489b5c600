"""Rejects forged and damaged records: one that does not continue its slice's hash chain is parked as `broken_chain`.

The chain is public, so anyone who may write to the topic could continue it. Kafka's ACLs have to prevent that.
"""

from collections.abc import Mapping

from shared.kafka.cloudevents import SlicePosition
from shared.kafka.inbox import Record
from shared.ledger.hash_chain import chained_hash


def continues_chain(record: Record, texts: Mapping[str, str], found: SlicePosition, last_hash: bytes) -> bool:
    """Tell whether the hash in the record's headers is that of its contents chained to `last_hash`."""
    try:
        expected = chained_hash(
            last_hash,
            event_id=texts["ce_id"],
            type_name=texts["ce_type"],
            stream_id=texts["ce_subject"],
            occurred_at=texts["ce_time"],
            data=record.value or b"",
        )
    except KeyError:  # a header that the hash covers is missing
        return False
    return expected == found.hash
