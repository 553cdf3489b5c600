"""The checker: reads the two ledgers and the two topics, nothing else, and says what is wrong in them.

It knows nothing of how a run went but the list of what was acknowledged. The system must be quiet: everything
sent and consumed (`backlog` is 0). It holds one partition of a topic and the states of devices and codes in memory.
"""

from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer

from shared.ledger.events import RecordedEvent
from shared.messages import Event, UnknownEvent, UnreadableEvent, decode
from tests.journeys.checker.chain import Chain
from tests.journeys.checker.evidence import Evidence, opened, partition_count_of, reader
from tests.journeys.checker.findings import Acknowledged, Finding, ServiceName
from tests.journeys.checker.folds import Folds
from tests.journeys.checker.promises import Promises
from tests.journeys.checker.seats import Seats
from tests.journeys.checker.topic import SOURCES, Partition, read_partition
from tests.journeys.checker.verdicts import Verdicts

__all__ = ["Acknowledged", "Checked", "Evidence", "Finding", "ServiceName", "backlog", "check", "opened"]

CONSUMERS: tuple[tuple[str, ServiceName, ServiceName], ...] = (
    ("activation.requests", "activation", "device"),
    ("device.verdicts", "device", "activation"),
    ("license_view", "device", "device"),
)
"""Each consumer of a ledger's events, the ledger that keeps its position vector, and the ledger that it reads."""

MISTAKES = ("position_gap", "broken_chain", "wrong_partition")
"""Reasons to park that no record of our own ledgers may ever give."""


class Checked(list[Finding]):
    """The findings, with what was looked at: events by ledger, and how many of them were sent more than once."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[ServiceName, int] = {"device": 0, "activation": 0}
        self.records: dict[ServiceName, int] = {"device": 0, "activation": 0}


class _Inspection:
    """One check of one system."""

    def __init__(self, evidence: Evidence, acknowledged: Iterable[Acknowledged]) -> None:
        self.evidence = evidence
        self.checked = Checked()
        self.promises = Promises(acknowledged)
        self.seats = Seats()
        self.folds = Folds()
        self.verdicts = Verdicts()
        self.chains: dict[ServiceName, Chain] = {name: Chain(name) for name in ("device", "activation")}

    async def run(self) -> Checked:
        async with reader(self.evidence.bootstrap_servers) as consumer:
            await self._read(consumer, "device")
            await self._read(consumer, "activation")
        for service, chain in self.chains.items():
            await chain.check_heads(self.evidence.ledger(service))
            self.checked += chain.findings
        for consumer_name, service, read in CONSUMERS:
            ledger = self.evidence.ledger(service)
            self.checked += await self.chains[read].check_consumer(ledger, service, consumer_name)
        await self.seats.check_tables(self.evidence.activation)
        self.checked += [*self.promises.findings(), *self.seats.findings, *self.verdicts.findings()]
        self.checked += await self.folds.check_tables(self.evidence.device, self.evidence.activation)
        self.checked += await _parked_by_mistake(self.evidence)
        return self.checked

    async def _read(self, consumer: AIOKafkaConsumer, service: ServiceName) -> None:
        topic, source = self.evidence.topics[service], SOURCES[service, await self.evidence.mode(service)]
        partition_count = await partition_count_of(self.evidence.bootstrap_servers, topic)
        for number in range(partition_count):
            partition = await read_partition(consumer, service, topic, number, partition_count)
            self.checked.records[service] += partition.record_count
            if service == "device":
                for record in partition.records():
                    self.folds.see_record(record)
            await self._compare(service, partition, source)
            self.checked += partition.findings

    async def _compare(self, service: ServiceName, partition: Partition, source: str) -> None:
        async for entry in self.evidence.events(service, partition.numbers()):
            partition.compare(entry, source)
            self._see(service, entry)
        partition.find_left_over()

    def _see(self, service: ServiceName, entry: RecordedEvent) -> None:
        self.checked.events[service] += 1
        self.chains[service].see(entry)
        self.promises.see(service, entry.event)
        event = _decoded(entry)
        if event is None:
            return  # the chain tells
        if service == "device":
            self.folds.see_device(entry, event)
            self.verdicts.see_device(entry, event)
        else:
            self.folds.see_activation(entry, event)
            self.verdicts.see_activation(entry, event)
            self.seats.see(entry, event)


def _decoded(entry: RecordedEvent) -> Event | None:
    try:
        return decode(entry.event.type_name, entry.event.schema_version, entry.event.data)
    except (UnknownEvent, UnreadableEvent):
        return None


async def check(evidence: Evidence, acknowledged: Iterable[Acknowledged] = ()) -> Checked:
    """Return what is wrong in the ledgers and topics; empty when all is well."""
    return await _Inspection(evidence, acknowledged).run()


async def _parked_by_mistake(evidence: Evidence) -> list[Finding]:
    found = []
    names: tuple[ServiceName, ...] = ("device", "activation")
    for service in names:
        rows = await evidence.ledger(service).fetch(
            'select consumer, topic, partition, "offset", reason, detail from parked where reason = any($1::text[])',
            MISTAKES,
        )
        for row in rows:
            where = f"{row['consumer']}: {row['topic']} partition {row['partition']} offset {row['offset']}"
            detail = f"{row['reason']}: {row['detail']}"
            found.append(Finding(name="parked_by_mistake", ledger=service, where=where, detail=detail))
    return found


async def backlog(evidence: Evidence) -> int:
    """Return how many events are not sent, or not consumed by all who read them."""
    heads: dict[ServiceName, dict[int, int]] = {}
    waiting = 0
    names: tuple[ServiceName, ...] = ("device", "activation")
    for service in names:
        rows = await evidence.ledger(service).fetch(
            "select slice, h.position, p.position as published from slice_head h join slice_published p using (slice)"
        )
        heads[service] = {row["slice"]: row["position"] for row in rows}
        waiting += sum(row["position"] - row["published"] for row in rows)
    for consumer, service, read in CONSUMERS:
        rows = await evidence.ledger(service).fetch(
            "select slice, position from inbound_slice where consumer = $1", consumer
        )
        vector = {row["slice"]: row["position"] for row in rows}
        waiting += sum(max(0, position - vector.get(number, 0)) for number, position in heads[read].items())
    return waiting
