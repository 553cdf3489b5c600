"""An inclusion proof: one event is part of a signed history. For third parties that need neither the ledger nor trust.

The proof contains the event, the chain hash before it, the audit path to the root of its slice, the head of the slice,
the path from there to the signed root, and the checkpoint's JWS. `docs/verify_event.py` checks it offline with the
public keys alone. It reveals nothing about other events, of which it only has hashes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.calendar import instant
from shared.keys.signing import PublicKeys
from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, from_row
from shared.ledger.hash_chain import chained_hash
from shared.ledger.slices import SLICE_COUNT
from shared.proof.merkle import audit_path, root_from_path, root_of
from shared.proof.signed_checkpoint import SignedCheckpoint, head_leaf, verify_token
from shared.proof.slice_trees import Head, leaf_of

KIND = "perennial-inclusion-proof"
FORMAT = 1


class NotProved(Exception):
    """There is no proof, or it proves nothing. `code` is stable.

    When making a proof: `unknown_event`, `not_checkpointed_yet`, `history_rewritten`. When checking one:
    `unreadable_proof`, `newer_format`, `not_included`, `wrong_ledger`, or why the checkpoint is refused.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Included:
    """What a proof proves: this event was in this ledger when the checkpoint was signed."""

    ledger: str
    slice_number: int
    position: int
    checkpointed_at: datetime
    event: Mapping[str, Any]


async def load_event(connection: Connection, event_id: UUID) -> RecordedEvent:
    """Return an event by its id. Raises `NotProved`."""
    row = await connection.fetchrow("select * from event where event_id = $1", event_id)
    if row is None:
        raise NotProved("unknown_event", f"this ledger has no event {event_id}")
    return from_row(row)


async def make_proof(connection: Connection, entry: RecordedEvent, checkpoint: SignedCheckpoint) -> dict[str, Any]:
    """Return the proof of an event under a checkpoint that covers it. Raises `NotProved`.

    Reads the hash (32 bytes) and the envelope of each event of its slice.
    """
    slice_number = entry.event.slice_number
    head = checkpoint.heads[slice_number]
    if entry.position > head.position:
        raise NotProved("not_checkpointed_yet", "the event is newer than the checkpoint")
    rows = await connection.fetch(LEAVES, slice_number, head.position)
    leaves = [leaf_of(row["hash"], **{name: row[name] for name in ENVELOPE}) for row in rows]
    if len(leaves) != head.position or root_of(leaves) != head.root:
        raise NotProved("history_rewritten", f"slice {slice_number} does not match the checkpoint")
    return {
        "kind": KIND,
        "format": FORMAT,
        "event": _described(entry),
        "slice": slice_number,
        "position": entry.position,
        "previous_hash": entry.prev_hash.hex(),
        "path": _hexadecimal(audit_path(leaves, entry.position - 1)),
        "head": {"position": head.position, "hash": head.hash.hex()},
        "head_path": _hexadecimal(audit_path([head_leaf(each) for each in checkpoint.heads], slice_number)),
        "checkpoint": checkpoint.token,
    }


def _described(entry: RecordedEvent) -> dict[str, Any]:
    event = entry.event
    return {
        "id": str(event.event_id),
        "type": event.type_name,
        "subject": event.stream_id,
        "time": instant(event.occurred_at),
        "recorded_time": instant(event.recorded_at),
        "version": event.version,
        "schema_version": event.schema_version,
        "correlation_id": str(event.correlation_id),
        "causation_id": str(event.causation_id) if event.causation_id else None,
        # as text, not as JSON: its exact bytes were hashed
        "data": event.data.decode(),
    }


def _hexadecimal(hashes: Sequence[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


def check_proof(proof: Any, keys: PublicKeys) -> Included:
    """Check a proof and return what it proves. Raises `NotProved`, or `CheckpointRefused`."""
    try:
        if proof["kind"] != KIND:
            raise NotProved("unreadable_proof", "this is not a proof of an event")
        if proof["format"] != FORMAT:
            detail = f"it has format {proof['format']}, this release reads {FORMAT}: a newer release wrote it"
            raise NotProved("newer_format", detail)
        signed = verify_token(proof["checkpoint"], keys)
        root = _root(proof)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise NotProved("unreadable_proof", "a part of it is missing or damaged") from None
    if root is None or root.hex() != signed["root"]:
        raise NotProved("not_included", "it does not lead to the root that was signed")
    return Included(
        ledger=signed["ledger"],
        slice_number=proof["slice"],
        position=proof["position"],
        checkpointed_at=datetime.fromisoformat(signed["made_at"]),
        event=proof["event"],
    )


def _root(proof: Mapping[str, Any]) -> bytes | None:
    """Return the root that the proof leads to from the event's bytes, or None if its paths do not fit."""
    event, head = proof["event"], proof["head"]
    chain_hash = chained_hash(
        bytes.fromhex(proof["previous_hash"]),
        event_id=event["id"],
        type_name=event["type"],
        stream_id=event["subject"],
        occurred_at=event["time"],
        data=event["data"].encode(),
    )
    leaf = leaf_of(
        chain_hash,
        recorded_at=datetime.fromisoformat(event["recorded_time"]),
        version=event["version"],
        schema_version=event["schema_version"],
        correlation_id=UUID(event["correlation_id"]),
        causation_id=UUID(event["causation_id"]) if event["causation_id"] else None,
    )
    root = root_from_path(leaf, index=proof["position"] - 1, size=head["position"], path=_hashes(proof["path"]))
    if root is None:
        return None
    top = head_leaf(Head(proof["slice"], head["position"], bytes.fromhex(head["hash"]), root))
    return root_from_path(top, index=proof["slice"], size=SLICE_COUNT, path=_hashes(proof["head_path"]))


def _hashes(path: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(each) for each in path]


ENVELOPE = ("recorded_at", "version", "schema_version", "correlation_id", "causation_id")

LEAVES = """
select hash, recorded_at, version, schema_version, correlation_id, causation_id
from event where slice = $1 and position <= $2 order by position
"""
