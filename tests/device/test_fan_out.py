"""A whole fleet on one code, through the real consumer into a real PostgreSQL: linear work, bounded transactions."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.activation import decider as activation
from services.device.consumer import verdicts
from services.device.consumer.fan_out import ORDERS_MAX
from services.device.decider import DECIDER, AddCode, Command, Device, EnrollDevice, License
from services.device.outbox import OUTBOX
from services.device.store import DeviceStore
from shared.kafka.consumer import Consumer
from shared.ledger.clock import Clock
from shared.ledger.command_handler import DECISIONS_AT_ONCE, CommandHandler, CommandMessage
from shared.ledger.database import Connection, Pool, transaction
from shared.ledger.events import Heads, NewEvent, RecordedEvent, append
from shared.ledger.identity import new_id
from shared.ledger.slices import partition_of
from shared.messages import CodeEvent, DeviceEvent, LicenseRenewed
from shared.watching.metrics import REGISTRY
from tests.conftest import Database
from tests.scenarios import NOON, A, B, last_group
from tests.shared.records import PARTITION_COUNT, cause, packed, record_of, recorded
from tests.shared.topic import Topic

HANDLER: CommandHandler[Command, Device] = CommandHandler(DECIDER, DeviceStore(), OUTBOX)
DEVICES = tuple(f"device-{number:05}" for number in range(1_200))
EVENTS_OF_AN_ORDER = 2
"""A verdict and what it causes."""


class Codes:
    """The activation service, without I/O: what it decides becomes records of its topic."""

    def __init__(self) -> None:
        self.states: dict[str, activation.Code] = {}
        self.log: list[CodeEvent] = []

    def ask(self, order: activation.Command) -> None:
        for event in activation.decide(order, self.states):
            code = activation.DECIDER.stream_of(event)
            self.states[code] = activation.evolve(self.states.get(code, activation.Code()), event)
            self.log.append(event)

    def issue(self, code: str, seats: int) -> None:
        terms: dict[str, Any] = {"product": "security", "kind": "paid", "term": "P1Y", "seats": seats}
        self.ask(activation.IssueCode(code_ref=code, at=NOON, last_group=last_group(code), **terms))

    def sell(self, code: str, order: str) -> None:
        sold: dict[str, Any] = {"order_id": order, "settled": True, "purchased_at": NOON}
        self.ask(activation.RecordPurchase(code_ref=code, at=NOON, **sold))

    def topic(self) -> Topic:
        """Return all as records, as the relay writes them."""
        versions: dict[str, int] = {}
        events = []
        for event in self.log:
            code = activation.DECIDER.stream_of(event)
            versions[code] = versions.get(code, 0) + 1
            events.append(packed(code, versions[code], event))
        offsets = [0] * PARTITION_COUNT
        records = []
        for entry in recorded(events):
            partition = partition_of(entry.event.slice_number, PARTITION_COUNT)
            records.append(record_of(entry, offset=offsets[partition]))
            offsets[partition] += 1
        return Topic(records)


class Watched:
    """The ledger, which notes how many events each transaction appends."""

    def __init__(self) -> None:
        self.appended: list[int] = []

    async def append(
        self, connection: Connection, events: Sequence[NewEvent], *, heads: Heads | None = None
    ) -> list[RecordedEvent]:
        self.appended.append(len(events))
        return await append(connection, events, heads=heads)


async def ask_devices(pool: Pool, codes: Codes, *orders: Command) -> None:
    """Let the device service decide the orders at one instant, and the activation service what they ask it for."""
    async with transaction(pool) as connection:
        decided = await HANDLER.decide(connection, [CommandMessage(order, cause()) for order in orders])
        await append(connection, decided.events)
    for outcome in decided.outcomes:
        for event in outcome.events:
            for asked in activation.commands_for(event, NOON):
                codes.ask(asked)


def enrolled(*devices: str) -> list[Command]:
    told = {"product": "security", "region": "DE"}
    return [EnrollDevice(device_id=device, at=NOON, request_id=new_id(), **told) for device in devices]


def added(code: str, *devices: str) -> list[Command]:
    told = {"code_ref": code, "last_group": last_group(code)}
    return [AddCode(device_id=device, at=NOON, request_id=new_id(), **told) for device in devices]


def reader(pool: Pool, watched: Watched, *, orders_max: int = ORDERS_MAX) -> Consumer[Any]:
    def fail(error: Exception) -> None:
        raise error

    return Consumer(
        verdicts(HANDLER, Clock(sandbox=False), orders_max=orders_max),
        pool=pool,
        clock=Clock(sandbox=False),
        outbox=OUTBOX,
        append=watched.append,
        on_failure=fail,
    )


async def licenses(pool: Pool) -> dict[str, License | None]:
    rows = await pool.fetch("select device_id, state from device")
    return {row["device_id"]: Device.from_json(row["state"]).license for row in rows}


def decisions() -> float:
    return REGISTRY.get_sample_value("perennial_decisions_total") or 0


async def told_of(pool: Pool, fact: type[DeviceEvent]) -> list[str]:
    rows = await pool.fetch("select stream_id from event where type = $1 order by stream_id", fact.__name__)
    return [row["stream_id"] for row in rows]


async def test_a_fleet_on_one_code_ends_right_with_a_few_decisions_per_device(device_database: Database) -> None:
    """R-73, R-139, R-91, R-96, R-105, R-117: all activated at one instant, then renewed, paid back and blocked."""
    codes, watched = Codes(), Watched()
    codes.issue(A, seats=2 * len(DEVICES))
    async with device_database.pool() as pool:
        await ask_devices(pool, codes, *enrolled(*DEVICES), *added(A, *DEVICES))
        codes.sell(A, "1")
        codes.sell(A, "2")
        codes.ask(activation.RecordRefund(code_ref=A, at=NOON, order_id="1", note="paid back"))
        codes.ask(activation.BlockCode(code_ref=A, at=NOON, note="stolen"))
        before = decisions()
        await codes.topic().read_by(reader(pool, watched), records_max=5_000)
        about_all = 5
        """The start, two renewals, the refund and the block."""
        assert decisions() - before <= (1 + about_all) * len(DEVICES)
        assert max(watched.appended) <= EVENTS_OF_AN_ORDER * ORDERS_MAX
        code = codes.states[A]
        assert code.ends_at is not None
        assert code.stops_at is not None
        expected = (A, code.started_at, code.ends_at, code.stops_at)
        held = await licenses(pool)
        assert sorted(held) == list(DEVICES)
        assert {(it.code_ref, it.started_at, it.ends_at, it.stops_at) for it in held.values() if it} == {expected}
        assert None not in held.values()
        assert await pool.fetchval("select count(*) from fan_out") == 0


async def test_records_behind_a_cut_are_read_again_and_none_is_lost(device_database: Database) -> None:
    """R-91, R-122: of several codes in several partitions, each device gets the facts of its own."""
    codes, watched = Codes(), Watched()
    mine = {A: DEVICES[:30], B: DEVICES[30:60], "f" * 32: DEVICES[60:90]}
    async with device_database.pool() as pool:
        for code, devices in mine.items():
            codes.issue(code, seats=30)
            await ask_devices(pool, codes, *enrolled(*devices), *added(code, *devices))
        for order in ("1", "2", "3"):
            for code in mine:
                codes.sell(code, order)
        await codes.topic().read_by(reader(pool, watched, orders_max=50), records_max=40)
        assert max(watched.appended) <= EVENTS_OF_AN_ORDER * 50
        held = await licenses(pool)
        for code, devices in mine.items():
            ends = codes.states[code].ends_at
            assert {(it.code_ref, it.ends_at) for it in map(held.get, devices) if it} == {(code, ends)}
        assert await told_of(pool, LicenseRenewed) == sorted(3 * DEVICES[:90])
        assert await pool.fetchval("select count(*) from event where type = 'MessageParked'") == 0


@pytest.mark.parametrize("batches", [1, 2, 3, 4])
async def test_another_worker_goes_on_where_an_event_was_told_to_a_part_of_the_fleet(
    device_database: Database, batches: int
) -> None:
    """R-139, R-91, R-120, R-121: each device is told once, whichever part the first worker reached."""
    codes, watched = Codes(), Watched()
    devices = DEVICES[:50]
    codes.issue(A, seats=50)
    async with device_database.pool() as pool:
        await ask_devices(pool, codes, *enrolled(*devices), *added(A, *devices))
        codes.sell(A, "1")
        topic = codes.topic()
        await topic.read_by(reader(pool, watched, orders_max=20), batches_max=batches)
        begun = decisions()
        await topic.read_by(reader(pool, watched, orders_max=20))
        assert decisions() - begun <= 3 * len(devices)
        assert await told_of(pool, LicenseRenewed) == list(devices)
        assert max(watched.appended) <= EVENTS_OF_AN_ORDER * 20


async def test_others_get_their_turn_while_a_fleet_is_decided_about(device_database: Database) -> None:
    """R-91: heartbeats and doors do not wait for a whole batch."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    class Instant(DeviceStore):
        """Answers without waiting, so that only the decisions themselves can give way."""

        async def load(self, *_: Any) -> dict[str, Any]:
            return {}

        async def save(self, *_: Any) -> None: ...

    other = asyncio.create_task(turn())
    await asyncio.sleep(0)
    async with device_database.connected() as connection:
        before = turns
        orders = [CommandMessage(order, cause()) for order in enrolled(*DEVICES)]
        await CommandHandler(DECIDER, Instant(), OUTBOX).decide(connection, orders)
        taken = turns - before
    other.cancel()
    assert taken >= len(DEVICES) // DECISIONS_AT_ONCE
