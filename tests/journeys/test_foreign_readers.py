"""What others read: Kafka's own console consumer and a foreign CloudEvents library agree with the ledgers."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from typer.testing import CliRunner

from services.cli import app
from services.cli.names import SERVICES, ServiceName
from services.cli.system import System
from shared.calendar import instant
from shared.ledger.slices import partition_of
from tests.journeys.forging import WRITERS
from tests.journeys.logs import query, read_topic
from tests.journeys.people import OwnedDevice, Time, Vendor, reserve_is, runs_on
from tests.journeys.waiting import until
from tests.proof.query_page import OF_BREAKS

CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
SHOWN = ("partition", "offset", "headers", "key", "value")
SEPARATOR = "\t"

both_logs = pytest.mark.parametrize("topic", sorted(WRITERS))

type Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as a stranger saw it."""

    partition: int
    key: str
    headers: Mapping[str, str]
    value: str

    @property
    def place(self) -> tuple[int, int]:
        """The slice and the position that its headers name."""
        return int(self.headers["slice"]), int(self.headers["position"])


@pytest.fixture(scope="module")
def a_life(system: System, vendor: Vendor, new_device: Callable[[], OwnedDevice], time: Time) -> OwnedDevice:
    """A device that went through the article, with a refusal on the way; both logs are sent to their end."""
    device, reserve = new_device(), vendor.issue("P1Y")
    shown = device.activates(vendor.issue("P1M"))
    device.keeps_in_reserve(reserve)
    device.press_activate_now()
    vendor.block(reserve)
    time.reaches_the_end_of(shown)
    device.sees(reserve_is(reserve, "refused"))
    vendor.unblock(reserve)
    device.press_activate_now()
    device.sees(runs_on(reserve))
    for service in WRITERS.values():
        until(lambda: unsent(system, service), lambda count: count == 0)  # noqa: B023 - asked at once
    return device


def unsent(system: System, service: ServiceName) -> int:
    """Return how many events of a ledger are not on Kafka yet."""
    sql = "select sum(h.position - p.position)::int as unsent from slice_head h join slice_published p using (slice)"
    return int(query(system, service, sql)[0]["unsent"])


def ledger_of(system: System, topic: str) -> list[Row]:
    """Return the events of the topic's writer, in the order of their slices and positions."""
    return list(query(system, WRITERS[topic], "select * from event order by slice, position"))


def in_order(records: Sequence[Seen]) -> list[Seen]:
    """Return each position once, checked: within a slice they come in order, and a repetition is the same record."""
    known: dict[tuple[int, int], Seen] = {}
    last: dict[int, int] = {}
    for record in records:
        slice_number, position = record.place
        assert position <= last.get(slice_number, 0) + 1
        assert known.setdefault(record.place, record) == record
        last[slice_number] = max(position, last.get(slice_number, 0))
    return [known[place] for place in sorted(known)]


def console(system: System, topic: str, count: int) -> list[Seen]:
    """Return what Kafka's own consumer prints of a topic."""
    wanted = [f"print.{what}=true" for what in SHOWN] + [f"key.separator={SEPARATOR}", "headers.separator=|"]
    options = [word for setting in wanted for word in ("--formatter-property", setting)]
    outcome = system.stack.kafka.tool(
        CONSOLE_CONSUMER,
        *("--bootstrap-server", system.stack.kafka.bootstrap, "--topic", topic, "--from-beginning"),
        *("--max-messages", str(count), "--timeout-ms", "30000"),
        *options,
    )
    assert outcome.returncode == 0, outcome.stderr
    return [_printed(line) for line in outcome.stdout.splitlines()]


def _printed(line: str) -> Seen:
    partition, _, headers, key, value = line.split(SEPARATOR, len(SHOWN) - 1)
    texts = dict(header.split(":", 1) for header in headers.split("|"))
    return Seen(int(partition.removeprefix("Partition:")), key, texts, value)


@both_logs
@pytest.mark.usefixtures("a_life")
def test_kafkas_own_consumer_reads_the_ledger_event_by_event(topic: str, system: System) -> None:
    """R-127."""
    ledger, count = ledger_of(system, topic), len(read_topic(system, topic))
    seen = in_order(console(system, topic, count))
    assert len(seen) == len(ledger) > 0
    for record, row in zip(seen, ledger, strict=True):
        assert record.place == (row["slice"], row["position"])
        assert record.key == row["stream_id"]
        assert record.partition == partition_of(row["slice"], system.partitions)
        assert record.value.encode() == row["data"]
        assert record.headers["hash"] == row["hash"].hex()
        assert record.headers["ce_id"] == str(row["event_id"])
        assert record.headers["ce_type"] == row["type"]


@both_logs
@pytest.mark.usefixtures("a_life")
def test_a_foreign_library_reads_the_same_cloudevents(topic: str, system: System) -> None:
    """R-54, R-76, R-124."""
    ledger = {str(row["event_id"]): row for row in ledger_of(system, topic)}
    seen = {}
    for record in read_topic(system, topic):
        headers = {name: value for name, value in record.headers if value is not None}
        message = KafkaMessage(headers=headers, key=record.key, value=record.value or b"")
        event = from_kafka_event(message)
        assert agrees(event, ledger[event.get_id()], topic)
        seen[event.get_id()] = event
    assert seen.keys() == ledger.keys()


def agrees(event: BaseCloudEvent, row: Row, topic: str) -> bool:
    """Every attribute of the event and its data, against the ledger's row."""
    assert event.get_specversion() == "1.0"
    assert event.get_source() == f"/perennial/sandbox/{WRITERS[topic]}"
    assert event.get_type() == row["type"]
    assert event.get_subject() == event.get_extension("partitionkey") == row["stream_id"]
    assert event.get_time() == row["occurred_at"]
    assert event.get_datacontenttype() == "application/json"
    assert event.get_dataschema() == f"urn:perennial:schemas/{row['type']}/{row['schema_version']}"
    assert event.get_extension("streamversion") == str(row["version"])
    assert event.get_extension("recordedtime") == instant(row["recorded_at"])
    assert event.get_extension("correlationid") == str(row["correlation_id"])
    cause = row["causation_id"]
    assert event.get_extension("causationid") == (str(cause) if cause else None)
    assert event.get_data() == json.loads(row["data"])
    return True


@pytest.mark.usefixtures("a_life")
def test_a_stranger_proves_both_chains_from_one_export(system: System, tmp_path: Path) -> None:
    """R-127: by the query of docs/query.md, up to the last event of each ledger."""
    file = tmp_path / "events.parquet"
    urls = {f"PERENNIAL_{service.upper()}_DATABASE_URL": system.database_url(service) for service in SERVICES}
    result = CliRunner().invoke(app, ["log", "export", "--to", str(file)], env=urls)
    assert result.exit_code == 0, result.output
    with duckdb.connect() as connection:
        assert connection.execute(OF_BREAKS.replace("events.parquet", str(file))).fetchall() == []
        exported = connection.execute(f"select ledger, hash from '{file}' order by slice, position").fetchall()
    for topic, service in WRITERS.items():
        hashes = [row["hash"].hex() for row in ledger_of(system, topic)]
        assert [value for ledger, value in exported if ledger == service] == hashes


def test_the_life_of_a_device_is_told_by_one_key_of_one_topic(system: System, a_life: OwnedDevice) -> None:
    """R-124: what the API tells is what anyone reads from Kafka."""
    told = a_life.history()
    key = a_life.device_id.encode()
    records = [record for record in read_topic(system, "device.events.v1") if record.key == key]
    assert [dict(record.headers)["ce_type"].decode() for record in records] == [event["type"] for event in told]
    assert [json.loads(record.value or b"") for record in records] == [event["data"] for event in told]
    assert len({record.partition for record in records}) == 1
    assert all(datetime.fromisoformat(event["occurred_at"]) for event in told)
