"""`perennial log`, as an operator gives it: what it answers, what it refuses and under which word, what it leaves."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from typer.testing import Result

from shared.kafka.topics import Layout, create_topic, record_count
from shared.keys.signing import KeyRing
from shared.local.kafka import Kafka
from tests.proof.conftest import SLICES, STREAMS, History, Perennial, answer, events
from tests.proof.topics import events_of, send
from tests.shared.records import packed

DOCS = Path(__file__).parents[2] / "docs"
TOPIC = "device.events.v1"
SOURCE = "/perennial/sandbox/device"


def refusal(result: Result) -> str:
    """Return the word that a refusal begins with."""
    assert result.exit_code == 1, result.output
    return result.stderr.splitlines()[-1].removeprefix("perennial: ").partition(":")[0]


# --- verify, checkpoint, prove ----------------------------------------------------------------------


def test_a_whole_log_is_told_so(perennial: Perennial) -> None:
    """R-127."""
    told = answer(perennial("log", "verify", "--service", "device", "--ledger-alone", "--json"))
    assert (told["whole"], told["events"], told["findings"], told["listed"]) == (True, 13, {}, [])


def test_both_logs_are_checked_unless_one_is_named(perennial: Perennial) -> None:
    lines = perennial("log", "verify", "--ledger-alone", "--json").stdout.splitlines()
    assert [json.loads(line)["ledger"] for line in lines] == ["device", "activation"]


def test_a_finding_is_listed_and_fails_the_command(perennial: Perennial, history: History) -> None:
    """R-127."""
    asyncio.run(history.tamper("update event set data = data || ' ' where slice = 3 and position = 4"))
    result = perennial("log", "verify", "--service", "device", "--ledger-alone", "--json")
    assert refusal(result) == "findings"
    (finding,) = json.loads(result.stdout)["listed"]
    assert (finding["code"], finding["slice"], finding["position"]) == ("broken_chain", 3, 4)
    for_people = perennial("log", "verify", "--service", "device", "--ledger-alone").stdout
    assert "broken_chain" in for_people
    assert "slice 3 position 4" in for_people
    assert "does not have its recorded hash" in for_people


def test_checkpoint_verify_prove_and_check_in_a_row(perennial: Perennial, history: History, tmp_path: Path) -> None:
    """R-127: the whole way of an event to a stranger."""
    made = answer(perennial("log", "checkpoint", "--service", "device", "--json"))
    assert (made["ledger"], made["events"]) == (SOURCE, 13)
    assert Path(made["file"]).parent == tmp_path / "data" / "checkpoints"
    told = answer(
        perennial(
            *("log", "verify", "--service", "device", "--ledger-alone", "--json"),
            *("--checkpoints", Path(made["file"]).parent),
        )
    )
    assert (told["checkpoints"], told["newest_checkpoint_at"]) == (1, made["made_at"])
    event_id = asyncio.run(history.value("select event_id from event where slice = 3 and position = 4"))
    (tmp_path / "proof.json").write_text(perennial("log", "prove", event_id).stdout)
    (tmp_path / "keys.jwks.json").write_text(perennial("log", "keys", "--service", "device").stdout)
    checked = answer(
        perennial("log", "check-proof", tmp_path / "proof.json", "--keys", tmp_path / "keys.jwks.json", "--json")
    )
    assert (checked["proved"], checked["position"], checked["event"]["id"]) == (True, 4, str(event_id))
    script = DOCS / "verify_event.py"
    words = [sys.executable, "-I", str(script), "proof.json", "keys.jwks.json"]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.startswith("PROVED")
    tampered = (tmp_path / "proof.json").read_text().replace("CodeBlocked", "CodeUnblocked")
    (tmp_path / "tampered.json").write_text(tampered)
    assert refusal(perennial("log", "check-proof", tmp_path / "tampered.json")) == "not_included"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("verify", "--checkpoints", "{tmp}/nothing"), "no_checkpoints"),
        (("verify", "--checkpoints", "{tmp}", "--keys", "{tmp}/missing.jwks.json"), "no_keys"),
        (("verify", "--topic", "device.events.v2"), "no_service"),
        (("prove", "00000000-0000-0000-0000-000000000001"), "unknown_event"),
        (("check-proof", "{tmp}/missing.json"), "unreadable_proof"),
        (("checkpoint", "--service", "device", "--to", "{tmp}/data/keys/device.pem"), "not_written"),
        (("checkpoint", "--service", "activation"), "no_keys"),
        (("export", "--to", "{tmp}/x", "--since", "2026-05-01", "--until", "2026-04-01"), "since_after_until"),
        (("export", "--to", "{tmp}/data/keys/device.pem"), "file_exists"),
        (("export", "--to", "{tmp}/no/folder/x"), "not_written"),
    ],
)
def test_what_cannot_be_done_is_refused_under_a_word_that_stays(
    perennial: Perennial, tmp_path: Path, words: tuple[str, ...], code: str
) -> None:
    result = perennial("log", *(word.format(tmp=tmp_path) for word in words))
    assert refusal(result) == code
    assert result.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_an_unknown_key_or_an_event_without_a_checkpoint_proves_nothing(
    perennial: Perennial, history: History, tmp_path: Path
) -> None:
    event_id = asyncio.run(history.value("select event_id from event where slice = 3 and position = 4"))
    assert refusal(perennial("log", "prove", event_id)) == "not_checkpointed_yet"
    answer(perennial("log", "checkpoint", "--service", "device", "--json"))
    KeyRing.load_or_create(tmp_path / "stranger.pem")
    assert refusal(perennial("log", "prove", event_id, "--keys", tmp_path / "stranger.pem")) == "checkpoint_unknown_key"
    asyncio.run(history.append(events(3, 8, 8)))
    newer = asyncio.run(history.value("select event_id from event where slice = 3 and position = 8"))
    assert refusal(perennial("log", "prove", newer)) == "not_checkpointed_yet"


def test_nothing_is_signed_over_a_broken_history(perennial: Perennial, history: History) -> None:
    """R-127."""
    asyncio.run(history.tamper("delete from event where slice = 3 and position = 4"))
    assert refusal(perennial("log", "checkpoint", "--service", "device")) == "history_broken"


@pytest.mark.parametrize("command", ["verify", "export", "checkpoint", "republish"])
def test_a_log_of_a_newer_release_is_refused_with_its_version(
    perennial: Perennial, history: History, tmp_path: Path, command: str
) -> None:
    asyncio.run(history.tamper("insert into migration values ('999_wonders.sql', 'x')"))
    words = {"export": ("--to", tmp_path / "x")}.get(command, ())
    result = perennial("log", command, "--service", "device", *words)
    assert refusal(result) == "other_release"
    assert "999_wonders.sql" in result.stderr


# --- export ----------------------------------------------------------------------------------------


def exported(perennial: Perennial, file: Path, *words: object) -> list[dict[str, Any]]:
    told = answer(perennial("log", "export", "--format", "jsonl", "--to", file, "--json", *words))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert (told["events"], told["bytes"]) == (len(rows), file.stat().st_size)
    return rows


def test_json_lines_have_every_event_as_it_travels(perennial: Perennial, history: History, tmp_path: Path) -> None:
    """R-127."""
    rows = exported(perennial, tmp_path / "events.jsonl")
    entries = asyncio.run(events_of(history))
    assert [(row["slice"], row["position"], row["hash"]) for row in rows] == [
        (entry.event.slice_number, entry.position, entry.hash.hex()) for entry in entries
    ]
    assert [row["data"] for row in rows] == [json.loads(entry.event.data) for entry in entries]
    assert rows[0]["occurred_at"] == "2026-03-01T12:01:00.000Z"
    assert {row["ledger"] for row in rows} == {"device"}


def test_no_reader_cuts_a_json_line_in_two(perennial: Perennial, history: History, tmp_path: Path) -> None:
    """R-127: U+0085, U+2028 and U+2029 end a line for some readers, so the file has none of them."""
    said = "one\u0085two\u2028three\u2029four \u00fc \U0001f511"
    written = packed("pc-1", 1)._replace(data=json.dumps({"note": said}, ensure_ascii=False).encode())
    asyncio.run(history.append([written]))
    file = tmp_path / "events.jsonl"
    rows = exported(perennial, file, "--device", "pc-1")
    assert file.read_bytes().isascii()
    assert [row["data"] for row in rows] == [{"note": said}]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("--since", "2026-03-01T12:06:00Z"), 2),
        (("--until", "2026-03-01T12:06:00Z"), 11),
        (("--since", "2026-03-01T12:02:00+00:00", "--until", "2026-03-01T13:04:00+01:00"), 4),
        (("--since", "2026-03-02"), 0),
        (("--since", "2026-03-01"), 13),
        (("--until", "2026-03-01"), 13),
        (("--since", "2026-03-01", "--until", "2026-03-01"), 13),
        (("--until", "2026-02-28"), 0),
        (("--device", STREAMS[3]), 7),
        (("--device", STREAMS[3], "--since", "2026-03-01T12:06:00Z"), 2),
        (("--code", "a" * 32), 13),
        (("--device", STREAMS[3], "--since", "2026-03-02"), 0),
        (("--service", "activation"), 0),
    ],
)
def test_an_export_takes_what_is_wanted(
    perennial: Perennial, tmp_path: Path, words: tuple[str, ...], count: int
) -> None:
    assert len(exported(perennial, tmp_path / "events.jsonl", *words)) == count


def test_an_export_of_a_device_has_no_event_of_one_whose_id_begins_alike(
    perennial: Perennial, history: History, tmp_path: Path
) -> None:
    alike = [packed(name, 1) for name in ("pc-1", "pc-10", "my-pc-1")]
    named = packed("code", 1)._replace(data=b'{"device_id": "pc-1"}')
    others = [
        packed("other", number)._replace(data=data)
        for number, data in enumerate((b'{"device_id": "pc-10"}', b'{"note": "pc-1"}'), 1)
    ]
    asyncio.run(history.append([*alike, named, *others]))
    rows = exported(perennial, tmp_path / "events.jsonl", "--device", "pc-1")
    assert {row["stream_id"] for row in rows} == {"pc-1", "code"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--device", "nobody"), "unknown_device"),
        (("--device", STREAMS[3][:-1]), "unknown_device"),
        (("--code", "b" * 32), "unknown_code"),
        (("--device", STREAMS[3], "--code", "b" * 32), "unknown_code"),
        (("--device", "nobody", "--since", "2026-03-02"), "unknown_device"),
    ],
)
def test_an_unknown_device_or_code_is_refused_and_leaves_no_file(
    perennial: Perennial, tmp_path: Path, words: tuple[str, ...], code: str
) -> None:
    (tmp_path / "out").mkdir()
    for format_ in ("jsonl", "parquet"):
        result = perennial("log", "export", "--format", format_, "--to", tmp_path / "out" / "events", *words)
        assert (refusal(result), result.stdout) == (code, "")
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("history")
def test_a_parquet_file_has_types_and_groups_of_rows(
    perennial: Perennial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.cli.export.GROUP_EVENTS", 5)
    monkeypatch.setattr("services.cli.export.CHUNK_EVENTS", 2)
    file = tmp_path / "events.parquet"
    told = answer(perennial("log", "export", "--to", file, "--json"))
    assert (told["format"], told["events"]) == ("parquet", 13)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as connection:

        def rows(query: str) -> list[Any]:
            return connection.execute(query).fetchall()

        assert rows("select data->>'$.code_ref' from 'events.parquet' limit 1") == [("a" * 32,)]
        kinds = rows("select typeof(occurred_at), typeof(position), typeof(hash) from 'events.parquet' limit 1")
        assert kinds == [("TIMESTAMP WITH TIME ZONE", "BIGINT", "VARCHAR")]
        assert rows("select count(distinct row_group_id) from parquet_metadata('events.parquet')") == [(3,)]


@pytest.mark.parametrize(
    ("words", "codec"),
    [
        ((), "ZSTD"),
        (("--compression", "zstd"), "ZSTD"),
        (("--compression", "snappy"), "SNAPPY"),
        (("--compression", "none"), "UNCOMPRESSED"),
    ],
)
@pytest.mark.usefixtures("history")
def test_a_parquet_file_is_compressed_as_its_reader_needs_it(
    perennial: Perennial, tmp_path: Path, words: tuple[str, ...], codec: str
) -> None:
    file = tmp_path / "events.parquet"
    assert answer(perennial("log", "export", "--to", file, "--json", *words))["events"] == 13
    with duckdb.connect() as connection:
        found = connection.execute(f"select distinct compression from parquet_metadata('{file}')").fetchall()
        rows = connection.execute(f"select count(data) from '{file}'").fetchall()
    assert (found, rows) == ([(codec,)], [(13,)])


def test_json_lines_are_not_compressed(perennial: Perennial, tmp_path: Path) -> None:
    result = perennial(
        *("log", "export", "--format", "jsonl", "--compression", "zstd", "--to", tmp_path / "events.jsonl")
    )
    assert result.exit_code == 2
    assert "--compression is for --format parquet" in result.stderr
    assert not (tmp_path / "events.jsonl").exists()


def test_an_export_replaces_a_file_only_when_told_to(perennial: Perennial, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("mine")
    words = ("log", "export", "--format", "jsonl", "--to", file)
    assert refusal(perennial(*words)) == "file_exists"
    assert file.read_text() == "mine"
    assert perennial(*words, "--force").exit_code == 0
    assert len(file.read_text().splitlines()) == 13


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_a_full_disk_leaves_nothing_behind(
    environment: dict[str, str], history: History, tmp_path: Path, format_: str
) -> None:
    asyncio.run(history.append(events(200, 2, 900)))
    file = tmp_path / "out" / "events"
    file.parent.mkdir()
    # the limit stands in for a full disk; caches of Python's own must not be cut by it
    program = (
        "import resource; from services.cli import app;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); app()"
    )
    outcome = subprocess.run(
        [sys.executable, "-B", "-c", program, "log", "export", "--format", format_, "--to", str(file)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 1, outcome.stderr
    assert outcome.stderr.startswith("perennial: not_written: ")
    assert len(outcome.stderr.splitlines()) == 1
    assert list(file.parent.iterdir()) == []


# --- republish, on a real Kafka ------------------------------------------------------------------------


@pytest.fixture
async def own_topic(kafka: Kafka, history: History, environment: dict[str, str]) -> str:
    """The device service's own topic, with the ledger's events in it and counted as sent."""
    environment["PERENNIAL_KAFKA_BOOTSTRAP_SERVERS"] = kafka.bootstrap
    await delete_topic(kafka.bootstrap)
    await create_topic(kafka.bootstrap, TOPIC, Layout(4))
    await send(TOPIC, history, kafka.bootstrap, await events_of(history), source=SOURCE)
    await history.tamper("update slice_published p set position = h.position from slice_head h where h.slice = p.slice")
    return kafka.bootstrap


async def delete_topic(bootstrap_servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        if TOPIC in await admin.list_topics():
            await admin.delete_topics([TOPIC])
        while TOPIC in await admin.list_topics():
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


@pytest.mark.usefixtures("own_topic")
def test_a_full_topic_is_not_doubled_by_mistake(perennial: Perennial, history: History) -> None:
    words = ("log", "republish", "--service", "device")
    assert refusal(perennial(*words)) == "topic_is_full"
    assert asyncio.run(history.value("select sum(position) from slice_published")) == 13
    told = answer(perennial(*words, "--force", "--json"))
    assert (told["topic"], told["made"], told["events"]) == (TOPIC, False, 13)
    assert asyncio.run(history.value("select sum(position) from slice_published")) == 0


def test_a_lost_topic_is_made_again_as_it_is_said_and_the_relay_set_back(
    perennial: Perennial, own_topic: str, history: History
) -> None:
    """R-127."""
    asyncio.run(delete_topic(own_topic))
    result = perennial("log", "verify", "--service", "device", "--json")
    assert json.loads(result.stdout)["findings"] == {"topic_missing": 1}
    assert refusal(perennial("log", "republish", "--service", "device")) == "no_layout"
    words = ("log", "republish", "--service", "device", "--partitions", "8", "--replicas", "1", "--json")
    result = perennial(*words)
    assert answer(result)["made"]
    assert "will be sent as soon as the service runs" in result.stderr
    assert asyncio.run(history.value("select sum(position) from slice_published")) == 0
    assert asyncio.run(record_count(own_topic, TOPIC)) == 0


def test_the_next_version_of_a_topic_is_filled_verified_and_switched_to(
    perennial: Perennial, own_topic: str, history: History
) -> None:
    """R-118, R-127."""
    topic = "device.events.v9"
    words = ("log", "republish", "--service", "device", "--to-topic", topic, "--partitions", "64", "--json")
    told = answer(perennial(*words))
    assert (told["made"], told["events"], told["switched"]) == (True, 13, False)
    checked = answer(perennial("log", "verify", "--service", "device", "--topic", topic, "--json"))
    assert (checked["topic"], checked["records"], checked["findings"]) == (topic, 13, {})
    asyncio.run(history.tamper("update lease set expires_at = now() + interval '1 hour' where slice_group = 0"))
    assert refusal(perennial(*words, "--switch")) == "still_running"
    asyncio.run(history.tamper("update lease set expires_at = null"))
    asyncio.run(history.append(events(3, 8, 8)))
    told = answer(perennial(*words, "--switch"))
    assert (told["made"], told["events"], told["switched"]) == (False, 1, True)
    assert asyncio.run(history.value("select sum(position) from slice_published")) == 14
    assert asyncio.run(record_count(own_topic, topic)) == 14


@pytest.mark.usefixtures("own_topic")
@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (("--slice", SLICES[0]), 2, "go together"),
        (("--to-topic", "x", "--slice", SLICES[0], "--from-position", 1), 2, "takes all slices"),
        (("--switch",), 2, "needs --to-topic"),
        (("--to-topic", TOPIC), 1, "own_topic"),
        (("--to-topic", "odd.v1", "--partitions", "48"), 1, "power of two"),
        (("--slice", SLICES[0], "--from-position", 99), 1, "not published"),
    ],
)
def test_a_contradiction_is_refused_and_nothing_is_moved(
    perennial: Perennial, history: History, words: tuple[object, ...], exit_code: int, said: str
) -> None:
    result = perennial("log", "republish", "--service", "device", *words)
    assert result.exit_code == exit_code, result.output
    assert said in result.stderr
    assert asyncio.run(history.value("select sum(position) from slice_published")) == 13
