"""A proof of one event: a stranger believes it with the public keys alone, and nothing that was changed."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.keys.signing import KeyRing
from shared.ledger.events import RecordedEvent
from shared.proof.checkpoint_exporter import new_checkpoint
from shared.proof.inclusion import Included, NotProved, check_proof, load_event, make_proof
from shared.proof.signed_checkpoint import CheckpointRefused, SignedCheckpoint
from tests.proof.conftest import History, events

LEDGER = "/perennial/device"
SCRIPT = Path(__file__).parents[2] / "docs" / "verify_event.py"

type Proof = dict[str, Any]


async def entries(history: History) -> list[RecordedEvent]:
    ids = await history.pool.fetch("select event_id from event order by slice, position")
    async with history.pool.acquire() as connection:
        return [await load_event(connection, row["event_id"]) for row in ids]


async def proof(history: History, entry: RecordedEvent, checkpoint: SignedCheckpoint) -> Proof:
    async with history.pool.acquire() as connection:
        made = await make_proof(connection, entry, checkpoint)
    again: Proof = json.loads(json.dumps(made))
    return again


@pytest.fixture
async def checkpoint(history: History, keys: KeyRing) -> SignedCheckpoint:
    return await new_checkpoint(history.pool, ledger=LEDGER, keys=keys)


@pytest.fixture
async def one(history: History, checkpoint: SignedCheckpoint) -> Proof:
    """The proof of the fourth event of a slice of seven."""
    entry = next(entry for entry in await entries(history) if entry.event.slice_number == 3 and entry.position == 4)
    return await proof(history, entry, checkpoint)


async def test_every_event_can_be_proved(history: History, checkpoint: SignedCheckpoint, keys: KeyRing) -> None:
    """R-127."""
    for entry in await entries(history):
        included = check_proof(await proof(history, entry, checkpoint), keys.public)
        assert included == Included(
            ledger=LEDGER,
            slice_number=entry.event.slice_number,
            position=entry.position,
            checkpointed_at=checkpoint.made_at,
            event=included.event,
        )
        assert included.event["id"] == str(entry.event.event_id)
        assert included.event["data"].encode() == entry.event.data


async def test_a_proof_stays_small_and_says_nothing_of_other_events(history: History, keys: KeyRing) -> None:
    """R-112: of others it has hashes alone, one per doubling of the slice."""
    await history.append(events(3, 8, 1000))
    checkpoint = await new_checkpoint(history.pool, ledger=LEDGER, keys=keys)
    async with history.pool.acquire() as connection:
        entry = await load_event(
            connection, await connection.fetchval("select event_id from event where slice = 3 and position = 500")
        )
    made = await proof(history, entry, checkpoint)
    assert (len(made["path"]), len(made["head_path"])) == (10, 8)
    assert len(json.dumps(made)) < 4_000
    assert check_proof(made, keys.public).position == 500


async def test_an_old_checkpoint_still_proves_what_it_covers(
    history: History, checkpoint: SignedCheckpoint, keys: KeyRing
) -> None:
    await history.append(events(3, 8, 20))
    old, new = (await entries(history))[2], (await entries(history))[-7]
    assert check_proof(await proof(history, old, checkpoint), keys.public).position == 3
    with pytest.raises(NotProved) as refusal:
        await proof(history, new._replace(position=8, event=old.event), checkpoint)
    assert refusal.value.code == "not_checkpointed_yet"


async def test_an_unknown_event_has_no_proof(history: History) -> None:
    async with history.pool.acquire() as connection:
        with pytest.raises(NotProved) as refusal:
            await load_event(connection, UUID(int=1))
    assert refusal.value.code == "unknown_event"


async def test_of_a_history_that_was_changed_nothing_is_proved(history: History, checkpoint: SignedCheckpoint) -> None:
    """R-127."""
    entry = (await entries(history))[3]
    await history.tamper(
        "update event set recorded_at = recorded_at + interval '1 day' where slice = 3 and position = 2"
    )
    with pytest.raises(NotProved) as refusal:
        await proof(history, entry, checkpoint)
    assert refusal.value.code == "history_rewritten"


def put(*path: str | int, value: Any) -> Callable[[Proof], None]:
    """Return what changes one part of a proof."""

    def change(made: Proof) -> None:
        inner: Any = made
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value(inner[path[-1]]) if callable(value) else value

    return change


def flipped(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


TAMPERED: dict[str, Callable[[Proof], None]] = {
    "another body": put("event", "data", value=lambda data: data.replace("stream", "Stream")),
    "another space": put("event", "data", value=lambda data: data + " "),
    "another type": put("event", "type", value="CodeUnblocked"),
    "another device": put("event", "subject", value="somebody-else"),
    "another time": put("event", "time", value="2020-01-01T00:00:00.000Z"),
    "another time of recording": put("event", "recorded_time", value="2020-01-01T00:00:00.000Z"),
    "another version": put("event", "version", value=5),
    "another schema": put("event", "schema_version", value=2),
    "another correlation": put("event", "correlation_id", value=str(UUID(int=5))),
    "another cause": put("event", "causation_id", value=str(UUID(int=5))),
    "another id": put("event", "id", value=str(UUID(int=5))),
    "another place": put("position", value=3),
    "a place outside": put("position", value=8),
    "no place": put("position", value=0),
    "another slice": put("slice", value=4),
    "another predecessor": put("previous_hash", value=flipped),
    "another path": put("path", 0, value=flipped),
    "a shorter path": put("path", value=lambda path: path[:-1]),
    "a longer path": put("path", value=lambda path: [*path, path[0]]),
    "another head": put("head", "hash", value=flipped),
    "another size": put("head", "position", value=6),
    "another path of heads": put("head_path", 7, value=flipped),
    "a shorter path of heads": put("head_path", value=lambda path: path[1:]),
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_tampered_proof_proves_nothing(one: Proof, keys: KeyRing, change: Callable[[Proof], None]) -> None:
    """R-127."""
    tampered = copy.deepcopy(one)
    change(tampered)
    assert tampered != one
    with pytest.raises(NotProved) as refusal:
        check_proof(tampered, keys.public)
    assert refusal.value.code == "not_included"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (put("kind", value="something"), "unreadable_proof"),
        (put("format", value=2), "newer_format"),
        (put("event", value=None), "unreadable_proof"),
        (put("path", value=["xyz"]), "unreadable_proof"),
        (put("position", value="four"), "unreadable_proof"),
        (put("head", value={}), "unreadable_proof"),
    ],
)
def test_what_is_no_proof_is_refused(one: Proof, keys: KeyRing, change: Callable[[Proof], None], code: str) -> None:
    change(one)
    with pytest.raises(NotProved) as refusal:
        check_proof(one, keys.public)
    assert refusal.value.code == code


@pytest.mark.parametrize("rubbish", [None, [], 1, {}, "proof"])
def test_rubbish_is_refused(keys: KeyRing, rubbish: Any) -> None:
    with pytest.raises(NotProved):
        check_proof(rubbish, keys.public)


def test_a_proof_under_an_unknown_key_proves_nothing(one: Proof, tmp_path: Path) -> None:
    stranger = KeyRing.load_or_create(tmp_path / "stranger.pem")
    with pytest.raises(CheckpointRefused) as refusal:
        check_proof(one, stranger.public)
    assert refusal.value.code == "unknown_key"


# --- the script that strangers run ---------------------------------------------------------------


def run_script(folder: Path, made: Proof, jwks: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run docs/verify_event.py where nothing of ours can be imported."""
    (folder / "proof.json").write_text(json.dumps(made))
    (folder / "keys.jwks.json").write_text(json.dumps(jwks))
    words = [sys.executable, "-I", str(SCRIPT), "proof.json", "keys.jwks.json"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_a_stranger_checks_a_proof_offline(one: Proof, keys: KeyRing, tmp_path: Path) -> None:
    """R-127."""
    outcome = run_script(tmp_path, one, keys.public.jwks())
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("PROVED: CodeBlocked of ")
    assert outcome.stdout.splitlines()[-1] == one["event"]["data"]


def test_the_script_uses_nothing_of_ours_and_is_short() -> None:
    lines = SCRIPT.read_text().split('"""', 2)[2].splitlines()
    assert "shared" not in SCRIPT.read_text()
    assert len([line for line in lines if line.strip()]) <= 45


def test_the_script_refuses_what_we_refuse(one: Proof, keys: KeyRing, tmp_path: Path) -> None:
    """R-127: in one process, because Python's start takes longer than the check."""
    source = SCRIPT.read_text()
    (tmp_path / "keys.jwks.json").write_text(json.dumps(keys.public.jwks()))
    refused = 0
    for change in TAMPERED.values():
        tampered = copy.deepcopy(one)
        change(tampered)
        (tmp_path / "proof.json").write_text(json.dumps(tampered))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["x", str(tmp_path / "proof.json"), str(tmp_path / "keys.jwks.json")])
            with pytest.raises(SystemExit, match="NOT PROVED"):
                exec(compile(source, str(SCRIPT), "exec"), {"__name__": "script"})
            refused += 1
    assert refused == len(TAMPERED)


def test_the_script_refuses_an_unknown_key_and_a_forged_signature(one: Proof, keys: KeyRing, tmp_path: Path) -> None:
    stranger = KeyRing.load_or_create(tmp_path / "stranger.pem").public.jwks()
    assert "the key that signed is not one of these" in run_script(tmp_path, one, stranger).stderr
    header, payload, _ = one["checkpoint"].split(".")
    forged = {**one, "checkpoint": f"{header}.{payload}.{'A' * 86}"}
    outcome = run_script(tmp_path, forged, keys.public.jwks())
    assert outcome.returncode == 1
    assert "InvalidSignature" in outcome.stderr
