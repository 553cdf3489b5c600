"""The hash chain of a slice: each event's hash covers the one before it, so that no event changes or goes unseen."""

import hashlib

GENESIS = bytes(32)
"""What the first event of a slice continues."""


def chained_hash(
    prev_hash: bytes, *, event_id: str, type_name: str, stream_id: str, occurred_at: str, data: bytes
) -> bytes:
    """Return the hash of an event in its slice: SHA-256 over the previous hash, what the event is, and its bytes.

    Everything in it is on the wire, so a reader can check the chain with the record alone.
    """
    envelope = f"{event_id}\n{type_name}\n{stream_id}\n{occurred_at}\n".encode()
    return hashlib.sha256(prev_hash + envelope + data).digest()
