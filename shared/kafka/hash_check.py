"""What a forged or damaged record meets: it must continue its slice's hash chain, or it is parked as `broken_chain`.

Whoever may write to the topic could still continue the public chain: that is for Kafka's ACLs to forbid.
"""

from collections.abc import Mapping

from shared.kafka.cloudevents import Place
from shared.kafka.inbox import Record
from shared.ledger.hash_chain import chained_hash


def continues_chain(record: Record, texts: Mapping[str, str], place: Place, last_hash: bytes) -> bool:
    """Tell whether the record's hash is that of its bytes and headers after `last_hash`."""
    try:
        expected = chained_hash(
            last_hash,
            event_id=texts["ce_id"],
            type_name=texts["ce_type"],
            stream_id=texts["ce_subject"],
            occurred_at=texts["ce_time"],
            data=record.value or b"",
        )
    except KeyError:  # a header of the chain is missing
        return False
    return expected == place.hash
