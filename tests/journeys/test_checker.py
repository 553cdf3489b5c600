"""The checker is worth what it catches: faults are planted for real, in a system that has lived, and it must name each.

A fault of a table is planted in a transaction that is never committed. A fault of a program is that program,
with the fault in it, at work on a copy of the ledger and, if it sends, on a topic of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import override

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import RequestTimedOutError

from services.activation.decider import Activate, Code
from services.activation.decider import decide as decide_about_code
from services.activation.outbox import SANDBOX_OUTBOX as ACTIVATION_OUTBOX
from services.cli.system import System
from services.device.decider import DECIDER, AddCode, Command, Device
from services.device.outbox import SANDBOX_OUTBOX as DEVICE_OUTBOX
from services.device.store import DeviceStore
from shared.doors.command_queue import CommandQueue, PendingCommand
from shared.doors.idempotency import Answer
from shared.kafka.relay import Relay
from shared.ledger.clock import machine_now
from shared.ledger.code_generator import new_code
from shared.ledger.command_handler import CommandHandler, CommandMessage
from shared.ledger.database import Connection, Pool, open_pool, transaction
from shared.ledger.events import RecordedEvent, append
from shared.ledger.identity import new_id
from shared.ledger.lease import Leases
from shared.ledger.outbox import Cause
from shared.messages import CodeAdded
from tests.journeys.checker import Acknowledged, Checked, Evidence, ServiceName, backlog, check, opened
from tests.journeys.checker.evidence import partition_count_of, reader, records_of
from tests.journeys.checker.topic import Record
from tests.journeys.load import Load
from tests.journeys.running import running_system

LIVES = 14
SEED = 5  # its wave has every kind of life
RELAY_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A system that has lived and whose services are stopped, and what was acknowledged meanwhile."""

    system: System
    acknowledged: Sequence[Acknowledged]

    def dsn(self, database: str) -> str:
        """Return the superuser's address of a database."""
        return self.system.stack.postgres.dsn(database)

    @asynccontextmanager
    async def evidence(self, *, device: str = "device") -> AsyncIterator[Evidence]:
        """Yield what the checker reads; `device` names the database to take for the device ledger."""
        bootstrap_servers = self.system.stack.kafka.bootstrap
        async with opened(self.dsn(device), self.dsn("activation"), bootstrap_servers) as evidence:
            yield evidence

    async def copy_of_device_ledger(self, name: str) -> None:
        """Make database `name`, a copy in which everything is still to be sent."""
        server = await asyncpg.connect(self.dsn("postgres"))
        await server.execute(f"create database {name} template device")
        await server.close()
        copy = await asyncpg.connect(self.dsn(name))
        await copy.execute("update slice_published set position = 0")
        await copy.close()

    async def new_topic(self, name: str) -> None:
        """Make a topic like the real ones."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.system.stack.kafka.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, self.system.partitions, 1)])
            async with asyncio.timeout(RELAY_SECONDS_MAX):
                while name not in await admin.list_topics():
                    await asyncio.sleep(0.05)
        finally:
            await admin.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One scene for all tests: none of them changes it."""
    with running_system(tmp_path_factory.mktemp("scene")) as system:
        acknowledged = asyncio.run(_lived(system))
        for worker in system.workers.values():
            worker.stop()
        yield Scene(system, acknowledged)


async def _lived(system: System) -> Sequence[Acknowledged]:
    load = Load(system, SEED, LIVES)
    try:
        await load.run_wave()
    finally:
        await load.close()
    dsn = system.stack.postgres.dsn
    async with opened(dsn("device"), dsn("activation"), system.stack.kafka.bootstrap) as evidence:
        async with asyncio.timeout(RELAY_SECONDS_MAX):
            while await backlog(evidence):
                await asyncio.sleep(0.1)
    return load.acknowledged


def names(checked: Checked) -> set[str]:
    """Return the kinds of findings."""
    return {finding.name for finding in checked}


async def test_a_system_that_works_gives_no_finding(scene: Scene) -> None:
    async with scene.evidence() as evidence:
        checked = await check(evidence, scene.acknowledged)
    assert checked == []
    assert min(checked.events.values()) > 5 * LIVES
    assert len(scene.acknowledged) > 4 * LIVES


# --- faults of tables ------------------------------------------------------------------------

SOME_EVENT = """
(select slice, position from event e where position > 1 and exists (
    select from event later where later.slice = e.slice and later.position > e.position
) order by slice, position limit 1)
"""
SOME_DEVICE = "(select min(device_id) from device)"
SOME_SHARED_CODE = "(select code_ref from seat group by code_ref having count(*) > 1 order by code_ref limit 1)"

PLANTED: Sequence[tuple[str, ServiceName, str]] = (
    ("acknowledged_but_lost", "device", "delete from event where type = 'DeviceEnrolled'"),
    ("position_gap_in_ledger", "device", f"delete from event where (slice, position) in {SOME_EVENT}"),
    ("unknown_on_topic", "activation", f"delete from event where (slice, position) in {SOME_EVENT}"),
    ("version_gap", "activation", "delete from event where type = 'CodeIssued'"),
    (
        "other_bytes_on_topic",
        "activation",
        f"update event set data = data || ' '::bytea where (slice, position) in {SOME_EVENT}",
    ),
    (
        "broken_chain",
        "device",
        f"update event set occurred_at = occurred_at + interval '1 ms' where (slice, position) in {SOME_EVENT}",
    ),
    (
        "other_headers_on_topic",
        "device",
        f"update event set recorded_at = recorded_at + interval '1 ms' where (slice, position) in {SOME_EVENT}",
    ),
    ("wrong_head", "activation", "update slice_head set hash = sha256(hash) where position > 0"),
    ("not_published", "device", "update slice_published set position = position - 1 where position > 0"),
    (
        "not_consumed",
        "activation",
        "update inbound_slice set position = position - 1 where position > 0 and consumer = 'activation.requests'",
    ),
    ("seat_table_differs", "activation", f"delete from seat where code_ref = {SOME_SHARED_CODE}"),
    (
        "first_activation_table_differs",
        "activation",
        f"update first_activation set started_at = started_at + interval '1 ms' where code_ref = {SOME_SHARED_CODE}",
    ),
    (
        "view_differs_from_topic",
        "device",
        "update license_view set view = jsonb_set(view, '{device,license,last_group}', '\"ZZZZZ\"')"
        f" where device_id = {SOME_DEVICE}",
    ),
    ("view_differs_from_ledger", "device", f"delete from license_view where device_id = {SOME_DEVICE}"),
    (
        "device_table_differs",
        "device",
        "update device set expires_at = coalesce(expires_at, now()) + interval '1 day'"
        f" where device_id = {SOME_DEVICE}",
    ),
    ("code_table_differs", "activation", f"update code set seats_taken = 0 where code_ref = {SOME_SHARED_CODE}"),
    ("request_without_verdict", "activation", "delete from event where type = 'CodeVerified'"),
    (
        "verdict_without_cause",
        "device",
        "update event set causation_id = gen_random_uuid() where type = 'LicenseActivated'",
    ),
    ("activation_not_recorded", "device", "delete from event where type = 'LicenseActivated'"),
)


@pytest.mark.parametrize(("name", "service", "statement"), PLANTED, ids=[name for name, _, _ in PLANTED])
async def test_a_fault_in_a_table_is_named(scene: Scene, name: str, service: ServiceName, statement: str) -> None:
    async with scene.evidence() as evidence:
        planting = evidence.ledger(service).transaction()
        await planting.start()
        try:
            touched = await evidence.ledger(service).execute(statement)
            assert not touched.endswith(" 0"), "nothing was planted"
            checked = await check(evidence, scene.acknowledged)
        finally:
            await planting.rollback()
    assert name in names(checked)


# --- decisions on a state that is not true any more ---------------------------------------------


async def test_seats_that_are_counted_before_they_are_taken_are_found(scene: Scene) -> None:
    """R-82, R-85: two decide on one free seat, and the second is written behind the first."""
    checked = await _decided_on_an_old_state(scene, seats_taken=0)
    assert "seats_exceeded" in names(checked)
    assert "first_activation_changed" not in names(checked)


async def test_a_second_first_activation_of_a_code_is_found(scene: Scene) -> None:
    """R-66, R-71: the term of the code ran, and the decision did not know it."""
    checked = await _decided_on_an_old_state(scene, seats_taken=0, started_at=None, ends_at=None)
    assert "first_activation_changed" in names(checked)


async def _decided_on_an_old_state(scene: Scene, **forgotten: object) -> Checked:
    """Activate a code whose seats are taken once more, by the real rules on a state that lacks something."""
    async with scene.evidence() as evidence:
        planting = evidence.activation.transaction()
        await planting.start()
        try:
            await _activate_once_more(evidence.activation, forgotten)
            return await check(evidence, scene.acknowledged)
        finally:
            await planting.rollback()


async def _activate_once_more(ledger: Connection, forgotten: dict[str, object]) -> None:
    row = await ledger.fetchrow(
        "select code_ref, version, state from code where seats_taken = seats order by code_ref limit 1"
    )
    assert row is not None
    code = Code.from_json(row["state"])
    assert code.started_at is not None
    now = code.started_at + timedelta(days=1)
    order = Activate(
        code_ref=row["code_ref"],
        device_id="late",
        at=now,
        request_id=new_id(),
        trigger="immediate",
        product=code.product,
        region="DE",
    )
    [activated] = decide_about_code(order, {row["code_ref"]: code.but(**forgotten)})
    cause = Cause(at=now, recorded_at=now, correlation_id=new_id())
    packed = ACTIVATION_OUTBOX.pack(activated, stream_id=row["code_ref"], version=row["version"] + 1, cause=cause)
    await append(ledger, [packed])


# --- programs with a fault in them ----------------------------------------------------------------


class AnswersBeforeTheCommit(CommandQueue[Command, Device]):
    """A command queue that answers the client before the commit."""

    @override
    async def _decide(self, batch: Sequence[PendingCommand[Command]]) -> None:
        async with transaction(self._pool) as connection:
            decided = await self._handler.decide(connection, [pending.messages[0] for pending in batch])
            for pending, outcome in zip(batch, decided.outcomes, strict=True):
                pending.answered.set_result(pending.to_answer(outcome))
            await append(connection, decided.events)
            # the worker is killed here: nothing is committed
            raise asyncio.CancelledError


async def test_an_answer_before_the_commit_is_found(scene: Scene) -> None:
    """R-120."""
    device_id = await _some_device(scene)
    code = new_code()
    async with _pool(scene, "device") as pool:
        handler = CommandHandler(DECIDER, DeviceStore(), DEVICE_OUTBOX)
        queue = AnswersBeforeTheCommit(handler, pool=pool)
        serving = asyncio.create_task(queue.run())
        now = machine_now().replace(year=2090)
        pending: PendingCommand[Command] = PendingCommand(
            messages=[
                CommandMessage(
                    AddCode(
                        device_id=device_id, code_ref=code.ref, last_group=code.last_group, at=now, request_id=new_id()
                    ),
                    Cause(at=now, recorded_at=now, correlation_id=new_id()),
                )
            ],
            scope="test",
            key="test",
            request_hash=b"",
            to_answer=lambda outcome: Answer(202, {"recorded": [type(event).__name__ for event in outcome.events]}),
        )
        answer = await queue.submit(pending)
        await asyncio.wait([serving])
    assert CodeAdded.__name__ in answer.body["recorded"]
    told = Acknowledged(ledger="device", type_name="CodeAdded", fields={"device_id": device_id, "code_ref": code.ref})
    async with scene.evidence() as evidence:
        checked = await check(evidence, [*scene.acknowledged, told])
    assert [(finding.name, finding.where) for finding in checked] == [("acknowledged_but_lost", str(told))]


class SkipsWhatFails(Relay):
    """A relay that goes on after a batch that Kafka did not take."""

    failures = 1

    @override
    async def _send_partition(
        self, producer: AIOKafkaProducer, partition: int, entries: Sequence[RecordedEvent]
    ) -> None:
        with suppress(RequestTimedOutError):
            self.failures -= 1
            if self.failures >= 0:
                raise RequestTimedOutError
            await super()._send_partition(producer, partition, entries)


async def test_a_relay_that_skips_a_failed_batch_is_found(scene: Scene) -> None:
    """R-120."""
    async with _sent_by(scene, SkipsWhatFails, "skipped") as evidence:
        checked = await check(evidence, scene.acknowledged)
    assert names(checked) == {"missing_on_topic", "view_differs_from_topic"}


async def test_a_relay_that_sends_everything_anew_gives_no_finding(scene: Scene) -> None:
    """The control: the same copy and another topic, without the fault."""
    async with _sent_by(scene, Relay, "sent") as evidence:
        assert await check(evidence, scene.acknowledged) == []


async def test_a_record_that_is_sent_twice_is_a_finding_only_if_it_changed(scene: Scene) -> None:
    """R-116."""
    async with _sent_by(scene, Relay, "doubled") as evidence:
        record = await _some_record(evidence)
        await _send(scene, record, value=record.value)
        assert await check(evidence, scene.acknowledged) == []
        await _send(scene, record, value=b" " + (record.value or b""))
        assert names(await check(evidence, scene.acknowledged)) == {"doubled_with_other_bytes"}


async def test_a_record_that_nobody_wrote_to_the_ledger_is_found(scene: Scene) -> None:
    async with _sent_by(scene, Relay, "forged") as evidence:
        record = await _some_record(evidence)
        headers = [(name, b"999999" if name == "position" else value) for name, value in record.headers]
        await _send(scene, replace(record, headers=headers), value=record.value)
        found = names(await check(evidence, scene.acknowledged))
    assert {"unknown_on_topic", "out_of_order_on_topic"} <= found


async def test_a_record_in_another_partition_is_found(scene: Scene) -> None:
    async with _sent_by(scene, Relay, "strayed") as evidence:
        record = await _some_record(evidence)
        await _send(
            scene, replace(record, partition=(record.partition + 1) % scene.system.partitions), value=record.value
        )
        found = names(await check(evidence, scene.acknowledged))
    assert "wrong_partition" in found


@asynccontextmanager
async def _sent_by(scene: Scene, relay_type: type[Relay], name: str) -> AsyncIterator[Evidence]:
    """Let a relay send a copy of the device ledger to a topic of its own, and yield where to look."""
    topic = f"{name}.events.v1"
    await scene.copy_of_device_ledger(name)
    await scene.new_topic(topic)
    async with _pool(scene, name) as pool:
        leases = Leases("device.test", pool=pool, on_change=_pass)
        outbox = replace(DEVICE_OUTBOX, topic=topic)
        bootstrap_servers = scene.system.stack.kafka.bootstrap
        relay = relay_type(pool=pool, leases=leases, outbox=outbox, bootstrap_servers=bootstrap_servers)
        running = [asyncio.create_task(leases.keep()), asyncio.create_task(relay.run())]
        try:
            await _until_sent(pool)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
    async with scene.evidence(device=name) as evidence:
        yield replace(evidence, topics={**evidence.topics, "device": topic})


async def _until_sent(pool: Pool) -> None:
    async with asyncio.timeout(RELAY_SECONDS_MAX):
        while await pool.fetchval(
            "select count(*) from slice_head h join slice_published p using (slice) where p.position < h.position"
        ):
            await asyncio.sleep(0.05)


async def _some_device(scene: Scene) -> str:
    """Return a device without anything in reserve."""
    async with scene.evidence() as evidence:
        device_id: str = await evidence.device.fetchval("select min(device_id) from device where reserve_ref is null")
    return device_id


async def _some_record(evidence: Evidence) -> Record:
    topic = evidence.topics["device"]
    async with reader(evidence.bootstrap_servers) as consumer:
        # a few devices need not have one in every partition
        for number in range(await partition_count_of(evidence.bootstrap_servers, topic)):
            async for record in records_of(consumer, TopicPartition(topic, number)):
                return record
    raise AssertionError("the topic is empty")


async def _send(scene: Scene, record: Record, *, value: bytes | None) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=scene.system.stack.kafka.bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(
            record.topic, value=value, key=record.key, partition=record.partition, headers=list(record.headers)
        )
    finally:
        await producer.stop()


@asynccontextmanager
async def _pool(scene: Scene, database: str) -> AsyncIterator[Pool]:
    pool = await open_pool(scene.dsn(database), connections_max=4, name="test")
    try:
        yield pool
    finally:
        await pool.close()


def _pass() -> None:
    """Nobody waits to be told."""
