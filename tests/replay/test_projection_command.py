"""`perennial projection` against a running system: its own consumers, its own Kafka, and what may be typed."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import monotonic
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.records_to_delete import RecordsToDelete
from typer.testing import CliRunner, Result

from services.cli import app
from services.cli.projections import PROJECTIONS
from services.cli.system import System
from services.device.projection import LICENSE_VIEW
from shared.local.ports import free_port
from shared.projector import Projection, ProjectorFailed, Subject, rebuild_projection, verify_projection
from shared.projector.lock import REBUILD_LOCK
from tests.cli.running import answer
from tests.journeys.checker import backlog, opened
from tests.journeys.checker.evidence import reader, records_of
from tests.journeys.people import OwnedDevice, Vendor
from tests.journeys.running import running_system
from tests.replay.traffic import traffic

type Record = ConsumerRecord[bytes | None, bytes | None]

VIEWS = [name for name, (_, projection) in PROJECTIONS.items() if projection.restore]


def silent(_done: int, _total: int) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system in which a few things happened."""
    with running_system(tmp_path_factory.mktemp("projection")) as system:
        vendor = Vendor(system)
        for _ in range(5):
            device = OwnedDevice.enrolled(system)
            device.activates(vendor.issue())
            device.keeps_in_reserve(vendor.issue())
            device.press_activate_now()
        yield system


@pytest.fixture(scope="module")
def environment(system: System) -> dict[str, str]:
    """How a person at a terminal reaches it."""
    ports = system.stack.ports
    return {
        "PERENNIAL_DATA": str(system.folder),
        "PERENNIAL_POSTGRES_PORT": str(ports.postgres),
        "PERENNIAL_KAFKA_PORT": str(ports.kafka),
    }


def run(environment: dict[str, str], *words: str) -> Result:
    """Give a command in this process."""
    return CliRunner().invoke(app, ["projection", *words], env=environment)


def subject(system: System, projection: Projection[Any]) -> Subject:
    url = system.database_url("device")
    kafka = system.stack.kafka.bootstrap
    return Subject(projection=projection, database_url=url, ledger_url=url, source="kafka", bootstrap_servers=kafka)


# --- well ---------------------------------------------------------------------------------------


def test_every_table_of_a_running_system_is_a_fold(environment: dict[str, str]) -> None:
    """R-118."""
    outcome = run(environment, "verify", "--all", "--json")
    found = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert outcome.exit_code == 0, outcome.stderr
    assert [each["name"] for each in found] == list(PROJECTIONS)
    assert all(each["equal"] and each["rows"] for each in found)
    assert all(len(each["digest"]) == 64 for each in found)


@pytest.mark.parametrize("source", ["kafka", "ledger"])
@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_made_anew_from_either_log(environment: dict[str, str], name: str, source: str) -> None:
    """R-118."""
    outcome = run(environment, "rebuild", name, "--from", source, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    (made,) = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert (made["equal"], made["swapped"], made["from"]) == (True, True, source)
    assert made["folded"] == made["events"] > 0


def test_people_read_it_too(environment: dict[str, str]) -> None:
    listed = run(environment, "list")
    assert listed.exit_code == 0, listed.stderr
    assert all(name in listed.stdout for name in PROJECTIONS)
    made = run(environment, "rebuild", "license_view")
    assert made.exit_code == 0, made.stderr
    assert "swapped" in made.stdout


def test_a_rebuild_is_listed_as_running_while_its_session_lasts_and_as_interrupted_afterwards(
    system: System, environment: dict[str, str]
) -> None:
    """R-118."""

    def listed() -> list[str | None]:
        rows = [json.loads(line) for line in run(environment, "list", "--json").stdout.splitlines()]
        return [row["rebuild"] for row in rows if row["name"] == "license_view"]

    assert listed() == [None]
    with asyncio.Runner() as runner:
        session = runner.run(asyncpg.connect(system.stack.postgres.dsn("device")))
        runner.run(session.execute("select pg_advisory_lock($1, hashtext('license_view'))", REBUILD_LOCK))
        runner.run(session.execute("insert into rebuild (name, source, release) values ('license_view', 'kafka', '')"))
        assert listed() == ["running at 0"]
        runner.run(session.execute("select pg_advisory_unlock_all()"))
        assert listed() == ["interrupted at 0"]
        runner.run(session.execute("delete from rebuild"))
        runner.run(session.close())


@pytest.mark.timeout(180)
async def test_requests_are_answered_and_nothing_old_is_shown_while_views_change_places(
    system: System, environment: dict[str, str]
) -> None:
    """R-118, R-102: a short form of the run in `test_rebuild_under_load`."""
    async with traffic(system, lives_per_second=20) as seen:
        for source in ("kafka", "ledger"):
            words = ("projection", "rebuild", "license_view", "--from", source, "--json")
            outcome = await asyncio.to_thread(answer, environment, *words)
            assert outcome.returncode == 0, outcome.stderr
    assert seen.wrong == []
    assert seen.requests > 0
    assert seen.lives > 0
    told = await asyncio.to_thread(run, environment, "verify", "--all", "--json")
    assert told.exit_code == 0, told.stderr


# --- not well -----------------------------------------------------------------------------------


BAD: dict[str, tuple[tuple[str, ...], int, str]] = {
    "unknown": (("rebuild", "license_vew"), 1, "unknown_projection: license_vew is none of license_view,"),
    "kept by deciders": (("rebuild", "seat"), 1, "not_replaceable: seat is kept by the deciders"),
    "none": (("verify",), 1, "no_projection: name a projection, or give --all"),
    "no such log": (("rebuild", "license_view", "--from", "tape"), 2, "Invalid value"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_asked_wrongly_is_refused_in_one_line(environment: dict[str, str], case: str) -> None:
    words, code, said = BAD[case]
    outcome = run(environment, *words)
    assert outcome.exit_code == code
    assert said in outcome.stderr
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr


def test_a_ledger_or_kafka_that_is_away_is_told(environment: dict[str, str]) -> None:
    for away in ("PERENNIAL_POSTGRES_PORT", "PERENNIAL_KAFKA_PORT"):
        outcome = run({**environment, away: str(free_port())}, "rebuild", "license_view")
        assert outcome.exit_code == 3
        assert len(outcome.stderr.splitlines()) == 1


def test_a_difference_is_listed_and_nothing_is_replaced(system: System, environment: dict[str, str]) -> None:
    """R-118."""
    _by_hand(
        system, "update license_view set version = version + 1 where device_id = (select min(device_id) from device)"
    )
    for words in (("verify", "license_view"), ("rebuild", "license_view")):
        outcome = run(environment, *words, "--json")
        assert outcome.exit_code == 1
        assert "differs: " in outcome.stderr
        (told,) = [json.loads(line) for line in outcome.stdout.splitlines()]
        assert (told["differing"], len(told["listed"])) == (1, 1)
        assert told["listed"][0]["stored"] != told["listed"][0]["folded"]
    outcome = run(environment, "rebuild", "license_view", "--accept-differences")
    assert outcome.exit_code == 0, outcome.stderr
    assert run(environment, "verify", "license_view").exit_code == 0


def _by_hand(system: System, statement: str) -> None:
    async def change() -> None:
        connection = await asyncpg.connect(system.stack.postgres.dsn("device"))
        await connection.execute(statement)
        await connection.close()

    asyncio.run(change())


# --- a topic that is not the log ----------------------------------------------------------------


async def copy_of(system: System, name: str, change: Callable[[list[Record]], list[Record]]) -> Projection[Any]:
    """Return the license view as of a copy of its topic in which something was changed."""
    bootstrap, topic = system.stack.kafka.bootstrap, LICENSE_VIEW.topic
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, system.partitions, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    async with reader(bootstrap) as consumer:
        for number in range(system.partitions):
            records = [record async for record in records_of(consumer, TopicPartition(topic, number))]
            for record in change(records):
                await producer.send_and_wait(
                    name, record.value, key=record.key, partition=number, headers=list(record.headers)
                )
    await producer.stop()
    return replace(LICENSE_VIEW, topic=name)


def _place(record: Record) -> str:
    headers = dict(record.headers)
    return f"slice {headers['slice'].decode()} position {headers['position'].decode()}"


async def _quiet(system: System) -> None:
    postgres, kafka = system.stack.postgres, system.stack.kafka
    async with opened(postgres.dsn("device"), postgres.dsn("activation"), kafka.bootstrap) as evidence:
        deadline = monotonic() + 60
        while await backlog(evidence):
            assert monotonic() < deadline
            await asyncio.sleep(0.1)


async def test_a_record_missing_on_the_topic_is_named(system: System) -> None:
    """R-120."""
    await _quiet(system)
    gone: list[Record] = []

    def without_one(records: list[Record]) -> list[Record]:
        if gone or not records:
            return records
        gone.append(records[0])
        return records[1:]

    projection = await copy_of(system, "copy.missing", without_one)
    with pytest.raises(ProjectorFailed, match=rf"^record_missing: copy.missing partition \d: {_place(gone[0])}$"):
        await rebuild_projection(subject(system, projection), on_progress=silent)
    assert (await verify_projection(subject(system, LICENSE_VIEW), on_progress=silent)).comparison.equal


async def test_a_record_doubled_on_the_topic_is_named_and_harmless(system: System) -> None:
    """R-116."""
    await _quiet(system)
    twice: list[Record] = []

    def with_one_more(records: list[Record]) -> list[Record]:
        if twice or not records:
            return records
        twice.append(records[0])
        return [*records, records[0]]

    projection = await copy_of(system, "copy.doubled", with_one_more)
    outcome = await verify_projection(subject(system, projection), on_progress=silent)
    assert (outcome.comparison.equal, outcome.repeated) == (True, 1)
    assert str(outcome.first_repeated).startswith(f"{_place(twice[0])} offset ")


async def test_a_topic_whose_beginning_was_deleted_is_told(system: System) -> None:
    """R-127."""
    await _quiet(system)
    projection = await copy_of(system, "copy.truncated", lambda records: records)
    admin = AIOKafkaAdminClient(bootstrap_servers=system.stack.kafka.bootstrap)
    await admin.start()
    partition = TopicPartition("copy.truncated", 0)
    await admin.delete_records({partition: RecordsToDelete(1)})
    await admin.close()
    with pytest.raises(ProjectorFailed, match=r"^topic_truncated: copy.truncated"):
        await verify_projection(subject(system, projection), on_progress=silent)
    with pytest.raises(ProjectorFailed, match=r"^topic_missing: topic copy.nowhere does not exist$"):
        await verify_projection(subject(system, replace(LICENSE_VIEW, topic="copy.nowhere")), on_progress=silent)
