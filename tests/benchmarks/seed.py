"""`make seed-log N=3000000`: fills a local system with years of history, as both services would have written it.

The real deciders make the events, in one process per core. The events are copied to both ledgers with their state rows
and sent to both topics, and each service counts as having consumed the other's. The projections stay empty: their
consumers catch up later, or `perennial projection rebuild` fills them. With another seed, a log gets more events.
"""

import argparse
import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.activation import store as code_store
from services.cli.names import SERVICES, ServiceName
from services.cli.system import System, local_system
from services.device import store as device_store
from shared.calendar import instant
from shared.kafka.cloudevents import to_headers
from shared.ledger.database import Connection
from shared.ledger.events import NewEvent, RecordedEvent
from shared.ledger.hash_chain import GENESIS, chained_hash
from shared.ledger.slices import partition_of
from tests.benchmarks.histories import Written, cohorts
from tests.benchmarks.twins import Twin

BATCH_BYTES_MAX = 900_000
TOPICS: Mapping[ServiceName, str] = {"device": "device.events.v1", "activation": "activation.events.v1"}
HEARS: Mapping[ServiceName, str] = {"device": "device.verdicts", "activation": "activation.requests"}
OTHER: Mapping[ServiceName, ServiceName] = {"device": "activation", "activation": "device"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The share of one process: its slices, for this many device events, in cohorts of this many lives.

    Each cohort is written with this many `twins`, whose events are copies that need no decisions.
    """

    dsns: Mapping[ServiceName, str]
    bootstrap_servers: str
    partitions: int
    seed: int
    device_events: int
    lives: int
    twins: int
    part: int
    parts: int

    def owns(self, slice_number: int) -> bool:
        """Return whether a slice belongs to this process."""
        return slice_number % self.parts == self.part

    def written(self) -> Iterator[Written]:
        """Yield the output of its cohorts and their twins."""
        asked = self.device_events // (1 + self.twins)
        for original in cohorts(self.seed, asked, lives=self.lives, part=self.part, parts=self.parts):
            yield original
            for number in range(self.twins):
                yield Twin(number, owns=self.owns).written(original)


@dataclass(slots=True)
class Log:
    """The part of one service's ledger and topic that this process writes."""

    service: ServiceName
    connection: Connection
    producer: AIOKafkaProducer
    partitions: int
    heads: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    async def begin(self, owns: Callable[[int], bool]) -> None:
        """Continue at the end of the ledger, in our slices."""
        rows = await self.connection.fetch("select slice, position, hash from slice_head where position > 0")
        self.heads = {row["slice"]: (row["position"], row["hash"]) for row in rows if owns(row["slice"])}

    async def write(self, events: Sequence[NewEvent]) -> None:
        """Copy events to the ledger and send them to the topic, both in order."""
        recorded = [self._chained(event) for event in events]
        await self.connection.copy_records_to_table("event", records=[_row(entry) for entry in recorded])
        by_partition: dict[int, list[RecordedEvent]] = {}
        for entry in recorded:
            by_partition.setdefault(partition_of(entry.event.slice_number, self.partitions), []).append(entry)
        await asyncio.gather(*(self._send(partition, entries) for partition, entries in by_partition.items()))

    def _chained(self, event: NewEvent) -> RecordedEvent:
        position, prev_hash = self.heads.get(event.slice_number, (0, GENESIS))
        this_hash = chained_hash(
            prev_hash,
            event_id=str(event.event_id),
            type_name=event.type_name,
            stream_id=event.stream_id,
            occurred_at=instant(event.occurred_at),
            data=event.data,
        )
        self.heads[event.slice_number] = (position + 1, this_hash)
        return RecordedEvent(event, position + 1, prev_hash, this_hash)

    async def _send(self, partition: int, entries: Sequence[RecordedEvent]) -> None:
        batch, waiting = self.producer.create_batch(), []
        for entry in entries:
            record = {
                "key": entry.event.stream_id.encode(),
                "value": entry.event.data,
                "timestamp": None,
                "headers": to_headers(entry, f"/perennial/sandbox/{self.service}"),
            }
            if batch.append(**record) is None:
                waiting.append(await self.producer.send_batch(batch, TOPICS[self.service], partition=partition))
                batch = self.producer.create_batch()
                batch.append(**record)
        waiting.append(await self.producer.send_batch(batch, TOPICS[self.service], partition=partition))
        await asyncio.gather(*waiting)

    async def end(self) -> None:
        """Store the head positions of the slices, and mark them as published."""
        columns = [
            list(column) for column in zip(*((number, *head) for number, head in self.heads.items()), strict=True)
        ]
        await self.connection.execute(HEADS, *columns)


def _row(entry: RecordedEvent) -> tuple[Any, ...]:
    event = entry.event
    return (event.slice_number, entry.position, *event[1:], entry.prev_hash, entry.hash)


def fill(task: Task) -> int:
    """Write one part and return its number of device events."""
    return asyncio.run(_fill(task))


async def _fill(task: Task) -> int:
    producer = AIOKafkaProducer(
        bootstrap_servers=task.bootstrap_servers, acks="all", compression_type="zstd", max_batch_size=BATCH_BYTES_MAX
    )
    await producer.start()
    connections = {name: await asyncpg.connect(task.dsns[name]) for name in SERVICES}
    logs = {name: Log(name, connections[name], producer, task.partitions) for name in SERVICES}
    for log in logs.values():
        await log.begin(task.owns)
    count = 0
    for written in task.written():
        await logs["device"].write(written.device)
        await logs["activation"].write(written.activation)
        await _write_states(connections, written)
        count += len(written.device)
        print(f"part {task.part + 1} of {task.parts}: {count:,} device events", flush=True)
    for log in logs.values():
        await log.end()
        await log.connection.close()
    await producer.stop()
    return count


async def _write_states(connections: Mapping[ServiceName, Any], written: Written) -> None:
    codes = written.code_states
    rows: dict[tuple[ServiceName, str], list[Any]] = {
        ("device", "device"): [device_store.row_of(*entry) for entry in written.device_states.items()],
        ("activation", "code"): [code_store.row_of(*entry) for entry in codes.items()],
        ("activation", "seat"): [(ref, holder) for ref, stored in codes.items() for holder in stored.state.holders],
        ("activation", "first_activation"): [
            (ref, stored.state.started_at) for ref, stored in codes.items() if stored.state.started_at is not None
        ],
    }
    for (service, table), records in rows.items():
        await connections[service].copy_records_to_table(table, records=records)


async def hear(system: System) -> None:
    """Mark the events of each service as consumed by the other."""
    for service in SERVICES:
        here = await asyncpg.connect(system.stack.postgres.dsn(service))
        there = await asyncpg.connect(system.stack.postgres.dsn(OTHER[service]))
        heads = await there.fetch("select slice, position, hash from slice_head")
        ends = await _ends(system, TOPICS[OTHER[service]])
        for table in ("inbound_slice", "inbound_partition"):
            await here.execute(f"delete from {table} where consumer = $1", HEARS[service])
        await here.executemany(
            "insert into inbound_slice values ($1, $2, $3, $4)", [(HEARS[service], *h) for h in heads]
        )
        await here.executemany(
            "insert into inbound_partition values ($1, $2, 1, $3)", [(HEARS[service], *end) for end in ends.items()]
        )
        for connection in (here, there):
            await connection.execute("analyze")
            await connection.close()


async def _ends(system: System, topic: str) -> Mapping[int, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=system.stack.kafka.bootstrap)
    await consumer.start()
    places = [TopicPartition(topic, number) for number in range(system.partitions)]
    ends = await consumer.end_offsets(places)
    await consumer.stop()
    return {place.partition: end for place, end in ends.items()}


def seed(system: System, *, device_events: int, lives: int, seed: int, parts: int, twins: int = 0) -> int:
    """Seed a system with running servers and stopped services; return the number of new device events."""
    dsns = {name: system.stack.postgres.dsn(name) for name in SERVICES}
    tasks = [
        Task(
            dsns=dsns,
            bootstrap_servers=system.stack.kafka.bootstrap,
            partitions=system.partitions,
            seed=seed,
            device_events=device_events // parts,
            lives=lives,
            twins=twins,
            part=part,
            parts=parts,
        )
        for part in range(parts)
    ]
    with ProcessPoolExecutor(parts, mp_context=get_context("spawn")) as pool:
        count = sum(pool.map(fill, tasks))
    asyncio.run(hear(system))
    return count


HEADS = """
with heads as (
    update slice_head h set position = head.position, hash = head.hash
    from unnest($1::smallint[], $2::bigint[], $3::bytea[]) as head(slice, position, hash) where h.slice = head.slice
    returning h.slice, h.position
)
update slice_published p set position = heads.position from heads where p.slice = heads.slice
"""


def main() -> None:
    """Seed the local system in a folder. Its servers must be stopped."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.seed", description=main.__doc__)
    parser.add_argument("device_events", type=int, help="number of device events (code events are extra)")
    parser.add_argument("--data", type=Path, default=Path(".data"), help="data folder of the system (default .data)")
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="the same seed makes the same events, another seed adds new ones (default 1)",
    )
    parser.add_argument(
        "--lives", type=int, default=20_000, help="number of lives that run in parallel (default 20000)"
    )
    parser.add_argument(
        "--twins", type=int, default=0, help="number of copies of each life, with other ids (default 0)"
    )
    asked = parser.parse_args()
    system = local_system(asked.data)
    system.stack.start()
    try:
        asyncio.run(system.provision())
        parts = os.cpu_count() or 1
        count = seed(
            system,
            device_events=asked.device_events,
            lives=asked.lives,
            seed=asked.seed,
            parts=parts,
            twins=asked.twins,
        )
    finally:
        system.stack.stop()
    print(f"added {count:,} device events to {asked.data}")


if __name__ == "__main__":
    main()
