"""Signed checkpoints: the heads of a ledger's slices at one moment, signed, in a file out of the ledger's reach.

    {"checkpoint": "<JWS>", "heads": [[position, hash, root], …]}        (256, in the order of the slices)

The JWS contains `format`, `ledger`, `made_at`, `events` (their number) and `root`: the Merkle root over the heads. It
has a few hundred bytes, so a proof includes it whole. No database may come in here.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from shared.calendar import instant
from shared.keys.signing import KeyRing, NotSigned, PublicKeys
from shared.ledger.slices import SLICE_COUNT
from shared.proof.merkle import leaf_hash, root_of
from shared.proof.slice_trees import Head

KIND = "perennial-checkpoint"
FORMAT = 1
NAME = re.compile(r"(?P<prefix>.+)\.\d{8}T\d{6}\.\d{3}Z\.checkpoint\.json")
SUFFIX = ".checkpoint.json"


class CheckpointRefused(Exception):
    """A signed checkpoint proves nothing. `code` is stable.

    `unreadable`, `newer_format`, `wrong_root`, or one of `shared.keys.signing.NotSigned`.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """The ledger, the time, the heads of its 256 slices, and the signature over them (`token`, a JWS)."""

    ledger: str
    made_at: datetime
    heads: Sequence[Head]
    token: str

    @property
    def event_count(self) -> int:
        """The number of events in the ledger."""
        return sum(head.position for head in self.heads)


def head_leaf(head: Head) -> bytes:
    """Return the leaf of a slice's head in the tree over all heads."""
    text = f"{head.slice_number}\n{head.position}\n{head.hash.hex()}\n{head.root.hex()}\n"
    return leaf_hash(text.encode())


def sign_checkpoint(heads: Sequence[Head], *, ledger: str, made_at: datetime, keys: KeyRing) -> SignedCheckpoint:
    """Return a signed checkpoint over the heads. `ledger` is the CloudEvents source of its events."""
    document = {
        "format": FORMAT,
        "ledger": ledger,
        "made_at": instant(made_at),
        "events": sum(head.position for head in heads),
        "root": root_of(map(head_leaf, heads)).hex(),
    }
    return SignedCheckpoint(ledger, made_at, tuple(heads), keys.sign(document, kind=KIND))


def write_checkpoint(checkpoint: SignedCheckpoint, folder: Path) -> Path:
    """Write the checkpoint to a new file in the folder, atomically. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = f"{checkpoint.made_at:%Y%m%dT%H%M%S}.{checkpoint.made_at.microsecond // 1000:03}Z"
    file = folder / f"{file_prefix(checkpoint.ledger)}.{stamp}{SUFFIX}"
    heads = [[head.position, head.hash.hex(), head.root.hex()] for head in checkpoint.heads]
    with NamedTemporaryFile("w", dir=folder, delete_on_close=False) as part:
        json.dump({"checkpoint": checkpoint.token, "heads": heads}, part, separators=(",", ":"))
        part.flush()
        os.fsync(part.fileno())
        # another user may collect the files; nothing in them is secret
        os.fchmod(part.fileno(), 0o644)
        os.link(part.name, file)
    return file


def file_prefix(ledger: str) -> str:
    """Return the first part of the names of a ledger's checkpoint files."""
    return ledger.strip("/").replace("/", ".")


def checkpoint_files(folder: Path, *, ledger: str) -> Iterator[Path]:
    """Return the checkpoint files of a folder, oldest first, except those that are named for another ledger.

    Both services may export to one folder, each with a key of its own. Whoever renames a file could as well delete it.
    """
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        named = NAME.fullmatch(file.name)
        if named is None or named["prefix"] == file_prefix(ledger):
            yield file


def read_checkpoint(file: Path, keys: PublicKeys) -> SignedCheckpoint:
    """Return the checkpoint in a file. Raises `CheckpointRefused` unless it is complete and signed, and OSError."""
    try:
        content = json.loads(file.read_bytes())
        token, heads = content["checkpoint"], [_head(number, *head) for number, head in enumerate(content["heads"])]
    except (KeyError, RecursionError, TypeError, ValueError):
        raise CheckpointRefused("unreadable", "this is not a checkpoint") from None
    document = verify_token(token, keys)
    if len(heads) != SLICE_COUNT or root_of(map(head_leaf, heads)).hex() != document["root"]:
        raise CheckpointRefused("wrong_root", "its heads are not the ones that were signed")
    return SignedCheckpoint(document["ledger"], datetime.fromisoformat(document["made_at"]), tuple(heads), token)


def verify_token(token: Any, keys: PublicKeys) -> dict[str, Any]:
    """Verify a checkpoint's JWS and return its `ledger`, `made_at`, `events` and `root`. Raises `CheckpointRefused`."""
    try:
        document = keys.verify(str(token), kind=KIND)
    except NotSigned as refusal:
        raise CheckpointRefused(refusal.code, refusal.detail) from None
    if document.get("format") != FORMAT:
        detail = f"it has format {document.get('format')}, this release reads {FORMAT}: a newer release wrote it"
        raise CheckpointRefused("newer_format", detail)
    return document


def _head(slice_number: int, position: int, chain_hash: str, root: str) -> Head:
    if not isinstance(position, int):
        raise TypeError
    return Head(slice_number, position, bytes.fromhex(chain_hash), bytes.fromhex(root))
