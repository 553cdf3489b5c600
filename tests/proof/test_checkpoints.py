"""Signed checkpoints: they say what the ledger is, and nothing else passes for one."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.cli.names import MIGRATIONS
from services.device.outbox import SANDBOX_OUTBOX
from shared.keys.signing import KeyRing, NoSigningKey, new_key
from shared.ledger.clock import machine_now
from shared.ledger.events import from_row
from shared.ledger.lease import Leases
from shared.proof import slice_trees
from shared.proof.checkpoint_exporter import CheckpointExporter, new_checkpoint
from shared.proof.merkle import EMPTY_ROOT, root_of
from shared.proof.signed_checkpoint import (
    KIND,
    CheckpointRefused,
    SignedCheckpoint,
    checkpoint_files,
    read_checkpoint,
    sign_checkpoint,
    write_checkpoint,
)
from shared.proof.slice_trees import Head, HistoryBroken, leaf_of, update_heads
from shared.service import opened
from shared.settings.environment import ServiceSettings
from tests.conftest import Database
from tests.proof.conftest import History, events
from tests.shared.records import until

LEDGER = "/perennial/device"


async def heads_by_reading_all(history: History) -> list[Head]:
    """Return the heads as somebody computes them who reads every event."""
    heads = []
    for number in range(256):
        rows = await history.pool.fetch("select * from event where slice = $1 order by position", number)
        entries = [from_row(row) for row in rows]
        leaves = [
            leaf_of(
                entry.hash,
                recorded_at=entry.event.recorded_at,
                version=entry.event.version,
                schema_version=entry.event.schema_version,
                correlation_id=entry.event.correlation_id,
                causation_id=entry.event.causation_id,
            )
            for entry in entries
        ]
        heads.append(Head(number, len(entries), entries[-1].hash if entries else bytes(32), root_of(leaves)))
    return heads


async def test_the_heads_are_those_of_every_event(history: History) -> None:
    """R-127."""
    heads = await update_heads(history.pool)
    assert heads == await heads_by_reading_all(history)
    assert [head.position for head in heads if head.position] == [7, 5, 1]
    assert heads[0] == Head(0, 0, bytes(32), EMPTY_ROOT)


async def test_what_was_covered_is_not_read_again(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-127: the trees grow at their edge, in rounds of any size, to the same heads."""
    monkeypatch.setattr(slice_trees, "LEAVES_PER_ROUND", 3)
    await update_heads(history.pool)
    await history.tamper("create table hidden as select * from event where slice = 3")
    await history.tamper("delete from event where slice = 3")
    await history.append([*events(4, 6, 9), *events(200, 2, 2)])
    heads = await update_heads(history.pool)
    await history.tamper("insert into event select * from hidden")
    await history.tamper("drop table hidden")
    assert heads == await heads_by_reading_all(history)


async def test_several_that_grow_the_trees_at_once_agree(history: History) -> None:
    results = await asyncio.gather(*(update_heads(history.pool) for _ in range(8)))
    assert results == 8 * [await heads_by_reading_all(history)]


@pytest.mark.parametrize(
    "damage",
    [
        "delete from event where slice = 3 and position = 4",
        "update event set hash = decode(repeat('ab', 32), 'hex') where slice = 3 and position = 4",
        "update slice_head set position = 6 where slice = 3",
    ],
)
async def test_nothing_is_signed_over_a_history_that_is_not_whole(history: History, damage: str) -> None:
    """R-127."""
    if "slice_head" in damage:
        await update_heads(history.pool)
    await history.tamper(damage)
    with pytest.raises(HistoryBroken, match="slice 3 is broken at position"):
        await update_heads(history.pool)


# --- the document ------------------------------------------------------------------------------


@pytest.fixture
async def checkpoint(history: History, keys: KeyRing) -> SignedCheckpoint:
    return await new_checkpoint(history.pool, ledger=LEDGER, keys=keys)


def test_a_checkpoint_is_read_as_it_was_written(checkpoint: SignedCheckpoint, keys: KeyRing, tmp_path: Path) -> None:
    """R-127."""
    file = write_checkpoint(checkpoint, tmp_path / "elsewhere")
    assert read_checkpoint(file, keys.public) == checkpoint
    assert (checkpoint.ledger, checkpoint.event_count, len(checkpoint.heads)) == (LEDGER, 13, 256)
    assert list(checkpoint_files(tmp_path / "elsewhere", ledger=LEDGER)) == [file]
    assert list(file.parent.iterdir()) == [file]


def refused(file: Path, keys: KeyRing) -> str:
    with pytest.raises(CheckpointRefused) as refusal:
        read_checkpoint(file, keys.public)
    return refusal.value.code


def test_an_unknown_key_proves_nothing(checkpoint: SignedCheckpoint, tmp_path: Path) -> None:
    stranger = KeyRing.load_or_create(tmp_path / "stranger.pem")
    assert refused(write_checkpoint(checkpoint, tmp_path), stranger) == "unknown_key"


def test_a_rotated_key_still_proves(checkpoint: SignedCheckpoint, tmp_path: Path) -> None:
    old = (tmp_path / "keys" / "device.pem").read_bytes()
    (tmp_path / "rotated.pem").write_bytes(new_key() + old)
    assert (
        read_checkpoint(write_checkpoint(checkpoint, tmp_path), KeyRing.read(tmp_path / "rotated.pem").public)
        == checkpoint
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["heads"][3].__setitem__(0, 6),
        lambda content: content["heads"][3].__setitem__(1, "00" * 32),
        lambda content: content["heads"][3].__setitem__(2, "00" * 32),
        lambda content: content["heads"].reverse(),
        lambda content: content["heads"].pop(),
        lambda content: content["heads"].append(content["heads"][0]),
    ],
)
def test_other_heads_than_the_signed_ones_are_refused(
    checkpoint: SignedCheckpoint, keys: KeyRing, tmp_path: Path, change: Any
) -> None:
    """R-127."""
    file = write_checkpoint(checkpoint, tmp_path)
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    assert refused(file, keys) == "wrong_root"


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", '{"checkpoint": 1, "heads": [[1, 2, 3]]}', '{"checkpoint": "x"}', "[" * 99999]
)
def test_what_is_no_checkpoint_is_refused(keys: KeyRing, tmp_path: Path, content: str) -> None:
    file = tmp_path / "x.checkpoint.json"
    file.write_text(content)
    assert refused(file, keys) == "unreadable"


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_signature_is_refused(checkpoint: SignedCheckpoint, keys: KeyRing, tmp_path: Path, part: int) -> None:
    parts = checkpoint.token.split(".")
    parts[part] = "A" + parts[part][1:] if parts[part][0] != "A" else "B" + parts[part][1:]
    file = write_checkpoint(replace(checkpoint, token=".".join(parts)), tmp_path)
    assert refused(file, keys) in {"bad_signature", "malformed_signature"}


def test_the_checkpoint_of_a_newer_release_is_refused_with_its_format(
    checkpoint: SignedCheckpoint, keys: KeyRing, tmp_path: Path
) -> None:
    token = keys.sign({"format": 2, "ledger": LEDGER}, kind=KIND)
    file = write_checkpoint(replace(checkpoint, token=token), tmp_path)
    with pytest.raises(CheckpointRefused, match="format 2, this release reads 1") as refusal:
        read_checkpoint(file, keys.public)
    assert refusal.value.code == "newer_format"


def test_another_document_of_the_same_key_is_no_checkpoint(
    checkpoint: SignedCheckpoint, keys: KeyRing, tmp_path: Path
) -> None:
    token = keys.sign({"format": 1, "ledger": LEDGER}, kind="perennial-license")
    assert refused(write_checkpoint(replace(checkpoint, token=token), tmp_path), keys) == "wrong_kind"


def test_two_checkpoints_of_the_same_heads_differ_only_in_their_time(
    checkpoint: SignedCheckpoint, keys: KeyRing
) -> None:
    again = sign_checkpoint(checkpoint.heads, ledger=LEDGER, made_at=checkpoint.made_at, keys=keys)
    assert again == checkpoint


# --- the service's loop ------------------------------------------------------------------------------


async def test_a_service_exports_when_something_happened_and_it_is_in_charge(
    history: History, keys: KeyRing, tmp_path: Path
) -> None:
    """R-127."""
    leases = Leases("device.1", pool=history.pool, on_change=lambda: None)
    exporter = CheckpointExporter(
        pool=history.pool, leases=leases, ledger=LEDGER, keys=keys, folder=tmp_path / "out", interval_seconds=0.01
    )
    loop = asyncio.create_task(exporter.run())

    async def count_is(count: int) -> bool:
        return len(list(checkpoint_files(tmp_path / "out", ledger=LEDGER))) == count

    try:
        await asyncio.sleep(0.1)
        assert not (tmp_path / "out").exists()
        leases.epochs = {0: 1}
        await until(lambda: count_is(1), what="a first checkpoint")
        await history.append(events(3, 8, 8))
        await until(lambda: count_is(2), what="a second checkpoint")
        await asyncio.sleep(0.1)
        assert await count_is(2)
        assert [
            read_checkpoint(file, keys.public).event_count for file in checkpoint_files(tmp_path / "out", ledger=LEDGER)
        ] == [
            13,
            14,
        ]
    finally:
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop


async def test_a_folder_that_cannot_be_written_is_told_and_tried_again(
    history: History, keys: KeyRing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "out"
    folder.write_text("in the way")
    leases = Leases("device.1", pool=history.pool, on_change=lambda: None)
    leases.epochs = {0: 1}
    exporter = CheckpointExporter(
        pool=history.pool, leases=leases, ledger=LEDGER, keys=keys, folder=folder, interval_seconds=0.01
    )
    loop = asyncio.create_task(exporter.run())

    async def told() -> bool:
        return "no checkpoint is exported" in caplog.text

    async def written() -> bool:
        return any(checkpoint_files(folder, ledger=LEDGER))

    try:
        await until(told, what="a warning")
        folder.unlink()
        await until(written, what="a checkpoint")
    finally:
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop


def test_a_checkpoint_is_dated_by_the_machine(checkpoint: SignedCheckpoint) -> None:
    """A sandbox's time says nothing about when a history existed."""
    assert abs((machine_now() - checkpoint.made_at).total_seconds()) < 60


async def test_a_service_that_shall_export_and_has_no_key_does_not_start(
    device_database: Database, tmp_path: Path
) -> None:
    settings = ServiceSettings(
        database_url=SecretStr(device_database.service), mode="sandbox", checkpoint_folder=tmp_path / "out"
    )
    with pytest.raises(NoSigningKey, match="PERENNIAL_SIGNING_KEY_FILE"):
        async with opened("device", settings, {"sandbox": SANDBOX_OUTBOX}, migrations=MIGRATIONS["device"]):
            pass
    missing = settings.model_copy(update={"signing_key_file": tmp_path / "missing.pem"})
    with pytest.raises(NoSigningKey, match=r"missing\.pem: No such file"):
        async with opened("device", missing, {"sandbox": SANDBOX_OUTBOX}, migrations=MIGRATIONS["device"]):
            pass
