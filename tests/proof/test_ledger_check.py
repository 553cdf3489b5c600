"""A ledger that was tampered with: whatever was changed is found, and named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.keys.signing import KeyRing, PublicKeys
from shared.proof.checkpoint_exporter import new_checkpoint
from shared.proof.expectations import Expectations
from shared.proof.findings import LISTED_MAX, Finding, Findings
from shared.proof.ledger_check import CHUNK_EVENTS
from shared.proof.signed_checkpoint import checkpoint_files, write_checkpoint
from shared.proof.verification import Outcome, Subject, verify_log
from tests.proof.conftest import STREAMS, History, events

LEDGER = "/perennial/device"


async def checked(
    history: History,
    *,
    folder: Path | None = None,
    keys: PublicKeys | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Outcome:
    """Check the ledger alone, against the checkpoints of a folder."""
    findings = Findings("device")
    expectations = Expectations(LEDGER)
    if folder and keys:
        expectations = Expectations.of(
            checkpoint_files(folder, ledger=LEDGER), ledger=LEDGER, keys=keys, findings=findings
        )
    subject = Subject(
        service="device", source=LEDGER, database_url=history.database.service, bootstrap_servers="", topic=None
    )
    return await verify_log(subject, expectations, findings, on_progress=on_progress, processes=1)


def places(outcome: Outcome) -> list[tuple[str, int | None, int | None]]:
    return [(finding.code, finding.slice, finding.position) for finding in outcome.findings.listed]


async def test_a_whole_ledger_has_no_findings(history: History) -> None:
    """R-127."""
    told: list[tuple[int, int]] = []
    outcome = await checked(history, on_progress=lambda done, total: told.append((done, total)))
    assert not outcome.findings.failed
    assert (outcome.events, outcome.waiting, places(outcome)) == (13, 13, [])
    assert told[-1] == (13, 13)


async def test_an_empty_ledger_is_whole(device_database: object, device_pool: object) -> None:
    assert not (await checked(History(device_database, device_pool))).findings.counts  # type: ignore[arg-type]


HASH = "decode(repeat('ab', 32), 'hex')"

DAMAGES = {
    "update event set data = data || ' ' where slice = 3 and position = 4": [("broken_chain", 3, 4)],
    "update event set type = 'CodeUnblocked' where slice = 3 and position = 4": [("broken_chain", 3, 4)],
    "update event set occurred_at = occurred_at + '1 day' where slice = 3 and position = 4": [("broken_chain", 3, 4)],
    "update event set event_id = gen_random_uuid() where slice = 3 and position = 4": [("broken_chain", 3, 4)],
    f"update event set hash = {HASH} where slice = 3 and position = 4": [
        ("broken_chain", 3, 4),
        ("broken_chain", 3, 5),
    ],
    f"update event set prev_hash = {HASH} where slice = 3 and position = 1": [
        ("broken_chain", 3, 1),
        ("broken_chain", 3, 1),
    ],
    "delete from event where slice = 3 and position = 4": [
        ("position_gap", 3, 4),
        ("broken_chain", 3, 5),
        ("version_gap", 3, 5),
    ],
    "delete from event where slice = 3 and position = 7": [("wrong_head", 3, 6)],
    "delete from event where slice = 200": [("wrong_head", 200, 0)],
    "update slice_head set position = 6 where slice = 3": [("wrong_head", 3, 7)],
    f"update slice_head set hash = {HASH} where slice = 3": [("wrong_head", 3, 7)],
    "update slice_published set position = 8 where slice = 3": [("published_ahead", 3, 7)],
    "update event set version = 40 where slice = 3 and position = 7": [("version_gap", 3, 7)],
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_whatever_is_changed_is_found_and_named(history: History, damage: str) -> None:
    """R-127."""
    await history.tamper(damage)
    outcome = await checked(history)
    assert outcome.findings.failed
    assert places(outcome) == DAMAGES[damage]


async def test_an_event_in_a_foreign_slice_is_found(history: History) -> None:
    """R-127."""
    await history.append([events(3, 8, 8)[0]._replace(slice_number=4)])
    outcome = await checked(history)
    assert places(outcome) == [("wrong_slice", 4, 6), ("version_gap", 4, 6)]


async def test_a_finding_says_what_is_wrong(history: History) -> None:
    await history.tamper("update event set data = data || ' ' where slice = 3 and position = 4")
    (finding,) = (await checked(history)).findings.listed
    assert finding.ledger == "device"
    event_id = await history.value("select event_id from event where slice = 3 and position = 4")
    assert finding.detail == f"CodeBlocked {event_id} does not have its recorded hash"


async def test_a_slice_longer_than_a_chunk_is_read_to_its_end(history: History) -> None:
    await history.append(events(200, 2, CHUNK_EVENTS + 10))
    assert not (await checked(history)).findings.counts
    await history.tamper("update event set data = data || ' ' where slice = 200 and position = $1", CHUNK_EVENTS + 1)
    assert places(await checked(history)) == [("broken_chain", 200, CHUNK_EVENTS + 1)]


def test_what_is_found_everywhere_is_counted_and_not_all_listed() -> None:
    parts = [Findings("device") for _ in range(3)]
    for part in parts:
        for position in range(LISTED_MAX):
            part.add("broken_chain", "x", slice_number=1, position=position)
    findings = Findings("device")
    findings.extend(parts)
    assert (findings.counts["broken_chain"], len(findings.listed)) == (3 * LISTED_MAX, LISTED_MAX)


def test_a_finding_is_json() -> None:
    finding = Finding(code="broken_chain", ledger="device", detail="x", slice=1, position=2)
    assert finding.as_json() == {"code": "broken_chain", "ledger": "device", "detail": "x", "slice": 1, "position": 2}


# --- history that was written anew ------------------------------------------------------------------


REWRITE = """
create function rewrite(number smallint, since bigint) returns void language plpgsql as $$
declare row event; previous bytea;
begin
    select hash into previous from event where slice = number and position = since - 1;
    for row in select * from event where slice = number and position >= since order by position loop
        row.prev_hash := coalesce(previous, decode(repeat('00', 32), 'hex'));
        row.hash := sha256(row.prev_hash || convert_to(
            row.event_id || E'\\n' || row.type || E'\\n' || row.stream_id || E'\\n'
            || to_char(row.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || E'\\n', 'UTF8')
            || row.data);
        update event set prev_hash = row.prev_hash, hash = row.hash where slice = number and position = row.position;
        previous := row.hash;
    end loop;
    update slice_head set hash = previous where slice = number;
end $$
"""


@pytest.fixture
async def folder(history: History, keys: KeyRing, tmp_path: Path) -> Path:
    """Checkpoints at 7, 5 and 1 events, and at 9, 5 and 1."""
    folder = tmp_path / "checkpoints"
    write_checkpoint(await new_checkpoint(history.pool, ledger=LEDGER, keys=keys), folder)
    await history.append(events(3, 8, 9))
    write_checkpoint(await new_checkpoint(history.pool, ledger=LEDGER, keys=keys), folder)
    await history.append(events(3, 10, 12))
    return folder


async def test_a_history_that_went_on_contains_its_checkpoints(history: History, folder: Path, keys: KeyRing) -> None:
    """R-127."""
    assert places(await checked(history, folder=folder, keys=keys.public)) == []


async def test_a_history_written_anew_is_whole_and_not_the_one_that_was_signed(
    history: History, folder: Path, keys: KeyRing
) -> None:
    """R-127: full access to the database makes a perfect chain, and not the signed one."""
    await history.tamper(REWRITE)
    await history.tamper("update event set data = convert_to('{}', 'UTF8') where slice = 3 and position = 2")
    await history.tamper("select rewrite(3::smallint, 2)")
    await history.tamper("drop function rewrite")
    assert places(await checked(history)) == []
    outcome = await checked(history, folder=folder, keys=keys.public)
    assert places(outcome) == [("history_rewritten", 3, 1)]
    assert "an event from position 1 to 7 was changed since the checkpoint of" in outcome.findings.listed[0].detail


async def test_only_what_is_newer_than_a_checkpoint_is_suspected(history: History, folder: Path, keys: KeyRing) -> None:
    """R-127."""
    await history.tamper(REWRITE)
    await history.tamper("update event set data = convert_to('{}', 'UTF8') where slice = 3 and position = 8")
    await history.tamper("select rewrite(3::smallint, 8)")
    await history.tamper("drop function rewrite")
    assert places(await checked(history, folder=folder, keys=keys.public)) == [("history_rewritten", 3, 8)]


@pytest.mark.parametrize(
    "change",
    [
        "recorded_at = recorded_at - interval '1 day'",
        "correlation_id = gen_random_uuid()",
        "causation_id = gen_random_uuid()",
        "schema_version = 2",
    ],
)
async def test_an_envelope_is_signed_too(history: History, folder: Path, keys: KeyRing, change: str) -> None:
    """R-125, R-127: what was known when cannot be changed afterwards, though the chain leaves it out."""
    await history.tamper(f"update event set {change} where slice = 3 and position = 2")
    assert places(await checked(history)) == []
    outcome = await checked(history, folder=folder, keys=keys.public)
    assert places(outcome) == [("history_rewritten", 3, 1)]
    assert "an envelope" in outcome.findings.listed[0].detail


async def test_a_history_that_was_cut_is_found(history: History, folder: Path, keys: KeyRing) -> None:
    """R-127."""
    await history.tamper("delete from event where slice = 3 and position > 8")
    await history.tamper(
        "update slice_head h set position = 8, hash = e.hash from event e"
        " where h.slice = 3 and e.slice = 3 and e.position = 8"
    )
    assert places(await checked(history)) == []
    assert places(await checked(history, folder=folder, keys=keys.public)) == [("history_cut", 3, 9)]


async def test_a_rewriting_that_the_service_signed_itself_is_found_by_the_older_checkpoint(
    history: History, folder: Path, keys: KeyRing
) -> None:
    """R-127: the newest checkpoint alone would not do."""
    await history.tamper(REWRITE)
    await history.tamper("update event set data = convert_to('{}', 'UTF8') where slice = 3 and position = 9")
    await history.tamper("select rewrite(3::smallint, 9)")
    await history.tamper("drop function rewrite")
    await history.tamper("update slice_tree set size = 0, peaks = '', hash = decode(repeat('00', 32), 'hex')")
    write_checkpoint(await new_checkpoint(history.pool, ledger=LEDGER, keys=keys), folder)
    assert places(await checked(history, folder=folder, keys=keys.public)) == [("history_rewritten", 3, 8)]


async def test_checkpoints_that_contradict_each_other_are_found(history: History, folder: Path, keys: KeyRing) -> None:
    """R-127."""
    await history.tamper(REWRITE)
    await history.tamper("delete from event where slice = 3 and position > 9")
    await history.tamper("update slice_head set position = 9 where slice = 3")
    await history.tamper("update event set data = convert_to('{}', 'UTF8') where slice = 3 and position = 9")
    await history.tamper("select rewrite(3::smallint, 9)")
    await history.tamper("drop function rewrite")
    await history.tamper("update slice_tree set size = 0, peaks = '', hash = decode(repeat('00', 32), 'hex')")
    write_checkpoint(await new_checkpoint(history.pool, ledger=LEDGER, keys=keys), folder)
    outcome = await checked(history, folder=folder, keys=keys.public)
    assert ("history_rewritten", 3, 9) in places(outcome)
    assert "contradict each other" in outcome.findings.listed[0].detail


async def test_checkpoints_that_prove_nothing_are_findings_themselves(
    history: History, folder: Path, tmp_path: Path
) -> None:
    (folder / "x.checkpoint.json").write_text("{}")
    stranger = KeyRing.load_or_create(tmp_path / "stranger.pem")
    outcome = await checked(history, folder=folder, keys=stranger.public)
    assert outcome.findings.failed
    assert dict(outcome.findings.counts) == {"checkpoint_unknown_key": 2, "checkpoint_unreadable": 1}


async def test_another_ledgers_checkpoints_say_nothing_about_this_one(
    history: History, keys: KeyRing, tmp_path: Path
) -> None:
    """Also where each service signs with a key of its own, as both do that share a folder."""
    others = KeyRing.load_or_create(tmp_path / "others.pem")
    for signer in (keys, others):
        write_checkpoint(await new_checkpoint(history.pool, ledger="/perennial/activation", keys=signer), tmp_path)
    await history.tamper("update event set recorded_at = recorded_at - interval '1 day'")
    assert places(await checked(history, folder=tmp_path, keys=keys.public)) == []


def test_the_streams_of_these_tests_live_where_they_say() -> None:
    assert sorted(STREAMS) == [3, 4, 200]
