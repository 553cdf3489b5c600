"""The work of our own benchmark, done by the pair: light adds over HTTP, then lives at full speed over Kafka."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from aiokafka import AIOKafkaProducer

from services.cli.names import ServiceName
from shared.ledger.database import Pool
from shared.ledger.identity import new_id
from tests.benchmarks.door_client import DoorClient, door_client
from tests.benchmarks.flow import POLL_SECONDS, STILL_SECONDS_MAX, Stuck
from tests.benchmarks.latency import ADDS_PER_SECOND, WARM_UP_SHARE, LightLoad, percentiles_of
from tests.benchmarks.lives import Phase, Progress
from tests.benchmarks.obvious_pair.messages import COMMANDS, AddCode, Command, Expire
from tests.benchmarks.obvious_pair.stand import Pair, databases, started
from tests.benchmarks.results import PairResults, Throughput
from tests.benchmarks.storage import Disk, wal_bytes
from tests.benchmarks.talk import say, step
from tests.benchmarks.usage import Meter, percent_at_rest, watched

WARM_UP_LIVES = 200


@dataclass(frozen=True, slots=True)
class Owned:
    """A device, the code of its license, and the code that it will add."""

    device_id: UUID
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Load:
    """What drives and observes a running pair."""

    pair: Pair
    databases: Mapping[ServiceName, Pool]
    producer: AIOKafkaProducer

    async def prepare(self, count: int) -> list[Owned]:
        """Return devices with an active license, and their codes."""
        owned = [Owned(new_id(), f"CODE-{new_id()}", f"CODE-{new_id()}") for _ in range(count)]
        devices = [(each.device_id, each.first, "active") for each in owned]
        await self.databases["device"].copy_records_to_table(
            "device", columns=("device_id", "current_code", "status"), records=devices
        )
        codes = [(each.second, 1) for each in owned]
        await self.databases["activation"].copy_records_to_table("code", columns=("code", "seats"), records=codes)
        return owned

    async def order(self, commands: Sequence[Command]) -> None:
        """Send commands and return when all are acknowledged."""
        sent = [
            await self.producer.send(COMMANDS, command.model_dump_json().encode(), key=command.device_id.bytes)
            for command in commands
        ]
        await asyncio.gather(*sent)

    async def count(self, status: str) -> int:
        """Return the number of devices with this status."""
        return int(await self.databases["device"].fetchval(COUNT, status))

    async def until(self, status: str, count: int, *, since: int, progress: Progress) -> None:
        """Wait for so many more devices with this status than `since`, and an empty outbox.

        Raises `Stuck` without progress.
        """
        done, last, moved_at = 0, -1, time.monotonic()
        while done < count or await self._left_to_send():
            done = await self.count(status) - since
            progress(done)
            if done != last:
                last, moved_at = done, time.monotonic()
            if time.monotonic() - moved_at > STILL_SECONDS_MAX:
                raise Stuck(f"{done} of {count} devices of the pair are {status}, and no more come")
            await asyncio.sleep(POLL_SECONDS)

    async def _left_to_send(self) -> int:
        return sum([await database.fetchval("select count(*) from outbox") for database in self.databases.values()])

    async def phase(self, commands: Sequence[Command], *, status: str, progress: Progress) -> Phase:
        """Send one command for each life, and return what it took until all have this status."""
        lives, before = len(commands), await self.count(status)
        wal_before, meter = await wal_bytes(self.databases["device"]), Meter(self.pair.pids)
        await self.order(commands)
        await self.until(status, lives, since=before, progress=progress)
        used, wal = meter.read(), await wal_bytes(self.databases["device"]) - wal_before
        return Phase(lives, used, wal, events={})

    async def lives(self, count: int, *, progress: Progress) -> Throughput:
        """Run lives at full speed: all codes are added, then all licenses expire."""
        empty = await Disk.of(self.databases.values())
        owned = await self.prepare(count)
        adds = [AddCode(device_id=each.device_id, code=each.second) for each in owned]
        expiries = [Expire(device_id=each.device_id, code=each.first) for each in owned]
        add = await self.phase(adds, status="verified", progress=lambda done: progress(done // 2))
        switch = await self.phase(expiries, status="active", progress=lambda done: progress((count + done) // 2))
        return Throughput(add, switch, await Disk.of(self.databases.values()) - empty)

    async def light(self, door: DoorClient, owned: Sequence[Owned], *, progress: Progress) -> LightLoad:
        """Add one code per device at a constant rate, however slow the responses are."""
        before, meter = await self.count("verified"), Meter(self.pair.pids)
        async with asyncio.TaskGroup() as group:
            for number, each in enumerate(owned):
                await asyncio.sleep(number / ADDS_PER_SECOND - meter.seconds)
                group.create_task(_add(door, each))
                progress(number + 1)
            pace = len(owned) / meter.seconds
        used = meter.read()
        await self.until("verified", len(owned), since=before, progress=lambda _: None)
        warm = owned[int(WARM_UP_SHARE * len(owned)) :]
        rows = await self.databases["device"].fetch(VERDICTS, [each.device_id for each in warm])
        return LightLoad(
            adds=len(rows),
            adds_per_second=pace,
            used=used,
            decided=percentiles_of([row["milliseconds"] for row in rows]),
        )


async def _add(door: DoorClient, owned: Owned) -> None:
    body = {"message_id": str(new_id()), "device_id": str(owned.device_id), "code": owned.second}
    await door.post("/codes", {}, body, hoped=202)


def measure(*, outbox: bool, lives: int, latency_seconds: int) -> PairResults:
    """Start a pair, measure it and remove it."""
    way = "with an outbox" if outbox else "that publishes after commit"
    say(f"starting the obvious pair {way}")
    with started(outbox=outbox) as pair:
        return asyncio.run(_measured(pair, lives, latency_seconds))


async def _measured(pair: Pair, count: int, latency_seconds: int) -> PairResults:
    async with driven(pair) as load, door_client(pair.workers["device"].url) as door:
        await load.lives(WARM_UP_LIVES, progress=lambda _: None)
        at_rest = await percent_at_rest(pair.pids)
        with watched(pair.pids) as memory:
            owned = await load.prepare(latency_seconds * ADDS_PER_SECOND)
            with step("pair, light load: codes added", len(owned)) as progress:
                light = await load.light(door, owned, progress=progress)
            with step("pair, lives", count) as progress:
                throughput = await load.lives(count, progress=progress)
        return PairResults(at_rest, light, throughput, memory.peak)


@asynccontextmanager
async def driven(pair: Pair) -> AsyncIterator[Load]:
    """Yield the load of a running pair."""
    producer = AIOKafkaProducer(bootstrap_servers=pair.stack.kafka.bootstrap, acks="all", enable_idempotence=True)
    async with databases(pair) as opened, producer:
        yield Load(pair, opened, producer)


COUNT = "select count(*) from device where status = $1"
VERDICTS = """
select 1000 * extract(epoch from verified_at - added_at)::float8 as milliseconds
from device where device_id = any($1::uuid[])
"""
