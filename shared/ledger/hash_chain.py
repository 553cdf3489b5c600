"""The hash chain of a slice: each event's hash covers the previous one, so no event can change or vanish unseen."""

import hashlib

GENESIS = bytes(32)
"""The previous hash of the first event in a slice."""


def chained_hash(
    prev_hash: bytes, *, event_id: str, type_name: str, stream_id: str, occurred_at: str, data: bytes
) -> bytes:
    """Return the hash of an event in its slice: SHA-256 over the previous hash, the event's metadata and its bytes.

    Every input is on the wire, so a reader can verify the chain from the records alone.
    """
    envelope = f"{event_id}\n{type_name}\n{stream_id}\n{occurred_at}\n".encode()
    return hashlib.sha256(prev_hash + envelope + data).digest()
