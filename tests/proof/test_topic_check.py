"""A topic beside its ledger, on a real Kafka: what consumers cannot have, or have otherwise, is found and named."""

import asyncio
from dataclasses import dataclass, replace
from itertools import count

import psutil
import pytest

from shared.calendar import instant
from shared.kafka.cloudevents import to_headers
from shared.kafka.topics import Layout, create_topic
from shared.ledger.events import RecordedEvent
from shared.ledger.hash_chain import chained_hash
from shared.ledger.slices import partition_of
from shared.local.kafka import Kafka
from shared.proof.expectations import Expectations
from shared.proof.findings import Findings
from shared.proof.topic_check import Record
from shared.proof.verification import Outcome, Subject, verify_log
from tests.proof.conftest import History, events
from tests.proof.topics import LEDGER, events_of, send, write
from tests.shared.records import record

PARTITIONS = 8
numbers = count(1)


@dataclass(frozen=True)
class Sent:
    """A ledger and its topic."""

    history: History
    topic: str
    kafka: str

    async def send(self, entries: list[RecordedEvent]) -> None:
        """Send as the relay does."""
        await send(self.topic, self.history, self.kafka, entries)

    async def write(self, *records: Record) -> None:
        """Write past the relay."""
        await write(self.kafka, records)

    async def events(self, slice_number: int) -> list[RecordedEvent]:
        """Return a slice."""
        return [entry for entry in await events_of(self.history) if entry.event.slice_number == slice_number]

    def record(self, entry: RecordedEvent, **changed: bytes | None) -> Record:
        """Return the record of an event, with other headers."""
        headers = {**dict(to_headers(entry, LEDGER)), **changed}
        kept = [(name, value) for name, value in headers.items() if value is not None]
        made = record(
            key=entry.event.stream_id.encode(),
            value=entry.event.data,
            headers=kept,
            partition=partition_of(entry.event.slice_number, PARTITIONS),
        )
        return replace(made, topic=self.topic)

    async def checked(self, *, everything_sent: bool = True, processes: int = 1) -> Outcome:
        """Check ledger and topic."""
        if everything_sent:
            await self.history.tamper(
                "update slice_published p set position = h.position from slice_head h where h.slice = p.slice"
            )
        subject = Subject(
            service="device",
            source=LEDGER,
            database_url=self.history.database.service,
            bootstrap_servers=self.kafka,
            topic=self.topic,
        )
        return await verify_log(
            subject,
            Expectations(LEDGER),
            Findings("device"),
            on_progress=lambda _done, _total: None,
            processes=processes,
        )


@pytest.fixture
async def sent(history: History, kafka: Kafka) -> Sent:
    """A topic of its own, empty."""
    topic = f"checked.{next(numbers)}"
    await create_topic(kafka.bootstrap, topic, Layout(PARTITIONS))
    return Sent(history, topic, kafka.bootstrap)


def found(outcome: Outcome) -> list[tuple[str, int | None, int | None]]:
    return [(finding.code, finding.slice, finding.position) for finding in outcome.findings.listed]


async def test_what_the_relay_sends_is_the_ledger(sent: Sent) -> None:
    """R-118, R-127."""
    await sent.send(await events_of(sent.history))
    outcome = await sent.checked()
    assert (found(outcome), outcome.events, outcome.records, outcome.waiting) == ([], 13, 13, 0)


async def test_what_was_not_sent_yet_is_told_and_not_missed(sent: Sent) -> None:
    await sent.send((await events_of(sent.history))[:7])
    await sent.history.tamper("update slice_published set position = 7 where slice = 3")
    outcome = await sent.checked(everything_sent=False)
    assert (found(outcome), outcome.waiting) == ([], 6)


async def test_a_missing_record_is_named_with_what_waits_behind_it(sent: Sent) -> None:
    """R-120."""
    entries = await events_of(sent.history)
    await sent.send([entry for entry in entries if (entry.event.slice_number, entry.position) != (3, 4)])
    outcome = await sent.checked()
    assert outcome.findings.failed
    assert found(outcome) == [("missing_in_topic", 3, 4)]
    assert outcome.findings.listed[0].detail == "positions 4 to 4; 3 records after it cannot be accepted"


async def test_missing_records_at_the_end_are_named(sent: Sent) -> None:
    """R-120."""
    entries = await events_of(sent.history)
    await sent.send([entry for entry in entries if (entry.event.slice_number, entry.position) not in {(3, 6), (3, 7)}])
    outcome = await sent.checked()
    assert found(outcome) == [("missing_in_topic", 3, 6)]
    assert outcome.findings.listed[0].detail == "positions 6 to 7"


async def test_a_hole_that_was_filled_by_sending_again_is_none(sent: Sent) -> None:
    """R-120."""
    entries = await events_of(sent.history)
    await sent.send([entry for entry in entries if (entry.event.slice_number, entry.position) != (3, 4)])
    await sent.send((await sent.events(3))[3:])
    outcome = await sent.checked()
    assert (found(outcome), outcome.records) == ([], 12 + 4)


async def test_a_record_that_stands_there_twice_is_told_and_harmless(sent: Sent) -> None:
    """R-116."""
    await sent.send(await events_of(sent.history))
    await sent.write(sent.record((await sent.events(3))[3]))
    outcome = await sent.checked()
    assert not outcome.findings.failed
    assert found(outcome) == [("doubled_in_topic", 3, 4)]


async def test_a_record_with_another_envelope_is_named_with_what_differs(sent: Sent) -> None:
    """R-125: consumers cannot tell, because the chain leaves it out."""
    first, second = (await sent.events(3))[:2]
    await sent.send([entry for entry in await events_of(sent.history) if entry.event.slice_number != 3])
    await sent.send([first])
    await sent.write(sent.record(second, ce_recordedtime=b"2020-01-01T00:00:00.000Z", ce_streamversion=b"9"))
    await sent.send((await sent.events(3))[2:])
    outcome = await sent.checked()
    assert outcome.findings.failed
    assert found(outcome) == [("differs_in_topic", 3, 2)]
    assert outcome.findings.listed[0].detail == "partition 3 offset 1 differs in ce_recordedtime, ce_streamversion"


async def test_records_of_an_earlier_release_are_the_ledgers_events(sent: Sent) -> None:
    """It named the schema by its path alone; sent again by this release, a record is the same one."""
    entries = await events_of(sent.history)
    await sent.write(*(sent.record(entry, ce_dataschema=b"/schemas/CodeBlocked/1") for entry in entries))
    assert found(await sent.checked()) == []
    await sent.send(entries[:1])
    assert [code for code, _, _ in found(await sent.checked())] == ["doubled_in_topic"]


async def test_of_a_record_of_an_earlier_release_only_what_differs_is_named(sent: Sent) -> None:
    first, *others = await events_of(sent.history)
    await sent.write(sent.record(first, ce_dataschema=b"/schemas/CodeBlocked/1", ce_streamversion=b"9"))
    await sent.send(others)
    [finding] = (await sent.checked()).findings.listed
    assert finding.detail.endswith("differs in ce_streamversion")


async def test_a_forged_event_that_continues_the_chain_is_found(sent: Sent) -> None:
    """R-127: whoever may write to the topic can fool consumers, not this check."""
    await sent.send(await events_of(sent.history))
    last = (await sent.events(200))[-1]
    forged = last.event._replace(version=2, data=b'{"forged":true}', event_id=(await sent.events(3))[0].event.event_id)
    forged_hash = chained_hash(
        last.hash,
        event_id=str(forged.event_id),
        type_name=forged.type_name,
        stream_id=forged.stream_id,
        occurred_at=instant(forged.occurred_at),
        data=forged.data,
    )
    await sent.write(sent.record(RecordedEvent(forged, 2, last.hash, forged_hash)))
    assert found(await sent.checked()) == [("not_in_ledger", 200, 2)]


async def test_what_consumers_park_is_told_and_harmless(sent: Sent) -> None:
    """R-122."""
    await sent.send(await events_of(sent.history))
    entry = (await sent.events(3))[6]
    await sent.write(
        replace(record(value=b"x"), topic=sent.topic),
        sent.record(entry, position=b"eight"),
        sent.record(entry, position=b"8"),
        replace(sent.record(entry), partition=5),
        replace(sent.record(entry), value=b"{}"),
    )
    outcome = await sent.checked()
    assert not outcome.findings.failed
    assert found(outcome) == 5 * [("stray_in_topic", None, None)]


async def test_an_event_that_was_changed_in_the_table_is_not_the_one_that_travelled(sent: Sent) -> None:
    """R-127."""
    await sent.send(await events_of(sent.history))
    await sent.history.tamper("update event set recorded_at = recorded_at - interval '1 day' where slice = 200")
    assert found(await sent.checked()) == [("differs_in_topic", 200, 1)]


async def test_a_topic_that_is_gone_is_named(sent: Sent) -> None:
    outcome = await replace(sent, topic="nobody.made.this").checked()
    assert outcome.findings.failed
    assert found(outcome) == [("topic_missing", None, None)]


async def test_several_processes_see_what_one_sees(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.proof.verification.SINGLE_PROCESS_MAX", 0)
    await sent.history.append(events(4, 6, 300))
    entries = await events_of(sent.history)
    await sent.send([entry for entry in entries if (entry.event.slice_number, entry.position) != (4, 250)])
    assert found(await sent.checked(processes=2)) == [("missing_in_topic", 4, 250)]


async def test_a_check_that_is_given_up_ends_at_once_with_all_its_processes(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C does not wait for millions of events."""
    monkeypatch.setattr("shared.proof.verification.SINGLE_PROCESS_MAX", 0)
    started = asyncio.Event()
    subject = Subject(
        service="device",
        source=LEDGER,
        database_url=sent.history.database.service,
        bootstrap_servers=sent.kafka,
        topic=None,
    )
    checking = asyncio.create_task(
        verify_log(
            subject,
            Expectations(LEDGER),
            Findings("device"),
            on_progress=lambda _done, _total: started.set(),
            processes=2,
        )
    )
    await started.wait()
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(checking, 20)
    left = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
    assert left == []
