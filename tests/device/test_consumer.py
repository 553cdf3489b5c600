"""Which devices the activation service's events concern, on a real PostgreSQL: a fan-out by set-based lookups."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid5

import pytest

from services.device.consumer import CONCERN_DEVICES, commands, verdicts
from services.device.decider import DECIDER, Command, Device, DeviceEvent, evolve
from services.device.outbox import OUTBOX
from services.device.store import DeviceStore
from shared.kafka.cloudevents import Envelope
from shared.kafka.consumer import BatchTooLarge, Handled
from shared.kafka.inbox import Accepted
from shared.ledger.clock import Clock
from shared.ledger.command_handler import CommandHandler, Stored
from shared.ledger.database import Connection
from shared.messages import ACTIVATION_EVENTS, DEVICE_EVENTS, Event, HoldersEvent, LicenseActivated, decode
from shared.rules.decider import fold
from shared.watching.metrics import REGISTRY
from tests.device import histories
from tests.device.histories import HELD_UNTIL, STOP
from tests.scenarios import (
    END,
    LATER,
    NEXT_END,
    NOON,
    ORDER,
    A,
    B,
    C,
    D,
    activated,
    announced,
    blocked,
    cancelled,
    renewed,
    renews_itself,
    shortened,
    unblocked,
    verified,
)
from tests.shared.records import record

HANDLER: CommandHandler[Command, Device] = CommandHandler(DECIDER, DeviceStore(), OUTBOX)
CLOCK = Clock(sandbox=False)
SOURCE = verdicts(HANDLER, CLOCK, orders_max=3_000)


async def keep(connection: Connection, history: Sequence[DeviceEvent], *devices: str) -> None:
    """Give the devices that history."""
    for device in devices:
        told = [event.but(device_id=device) for event in history]
        await DeviceStore().save(connection, {}, {device: Stored(len(told), fold(evolve, told, Device()))})


def batch_of(*events: Event) -> list[Accepted[Event]]:
    """The events as one batch of records, all dated alike."""
    return [
        Accepted(
            record(offset=number),
            Envelope(
                event_id=str(uuid5(ORDER, str(number))),
                source="/perennial/activation",
                type_name=type(event).__name__,
                schema_version=1,
                subject=str(getattr(event, "code_ref", "")),
                occurred_at=NOON,
                recorded_at=NOON,
                correlation_id=ORDER,
                traceparent=None,
            ),
            b"",
            event,
        )
        for number, event in enumerate(events)
    ]


async def told(connection: Connection, *events: Event) -> list[tuple[str, str]]:
    """Let the consumer handle the events as one batch, and return what is recorded of which device."""
    handled = await SOURCE.handle(connection, batch_of(*events))
    assert not handled.unfinished
    return facts_of(handled)


def facts_of(handled: Handled) -> list[tuple[str, str]]:
    for fact in handled.events:
        assert getattr(decode(fact.type_name, 1, fact.data), "device_id", None) == fact.stream_id
    return [(fact.stream_id, fact.type_name) for fact in handled.events]


def test_no_event_that_concerns_devices_is_ignored() -> None:
    """R-122: ignored types are listed by name."""
    heard = {event.__name__ for event in ACTIVATION_EVENTS} - set(SOURCE.ignored)
    assert heard == set(CONCERN_DEVICES)
    assert heard == {event.__name__ for event in ACTIVATION_EVENTS} & {event.__name__ for event in DEVICE_EVENTS} - {
        "MessageParked",
        "MessageRedriven",
        "MessageDiscarded",
    }


@pytest.mark.parametrize(
    ("history", "fact"),
    [
        (histories.ACTIVE, renewed(A)),
        (histories.ACTIVE, shortened(A, ends=END - timedelta(days=30))),
        (histories.ACTIVE, blocked(A, stops=STOP)),
        (histories.BLOCKED, unblocked(A)),
        (histories.ACTIVE, announced(A, until=HELD_UNTIL)),
        (histories.ANNOUNCED, cancelled(A)),
        (histories.ACTIVE, renews_itself(A)),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_concerns_a_license_reaches_every_device_that_has_it(
    connection: Connection, history: list[DeviceEvent], fact: HoldersEvent
) -> None:
    """R-91, R-96, R-98, R-105, R-106."""
    await keep(connection, history, "a", "b")
    await keep(connection, histories.UNLICENSED, "c")
    assert await told(connection, fact) == [("a", type(fact).__name__), ("b", type(fact).__name__)]


async def test_a_license_that_is_new_in_the_same_batch_is_reached_too(connection: Connection) -> None:
    """R-91."""
    await keep(connection, histories.UNLICENSED, D)
    facts = await told(connection, activated(A), blocked(A, stops=STOP), renewed(A))
    assert facts == [(D, "LicenseActivated"), (D, "CodeBlocked"), (D, "LicenseRenewed")]


async def test_a_first_activation_reaches_every_device_that_waits_with_the_code(connection: Connection) -> None:
    """R-73: in reserve, or on its way into the reserve."""
    both = [*histories.READY, histories.REPLACING[-1], verified(C)]
    await keep(connection, histories.READY, "reserve")
    await keep(connection, both, "incoming")
    await keep(connection, histories.ACTIVE, "neither")
    await keep(connection, histories.UNLICENSED_ACTIVATING, "first")
    first = activated(B, at=NOON, ends=END + timedelta(days=30), device="first")
    expected = [("first", "LicenseActivated"), ("incoming", "PredictionChanged"), ("reserve", "PredictionChanged")]
    assert await told(connection, first) == expected
    incoming = activated(C, at=NOON, ends=END + timedelta(days=30), device="elsewhere")
    assert await told(connection, incoming) == [("incoming", "PredictionChanged")]


async def test_a_later_activation_concerns_no_other_device(connection: Connection) -> None:
    """R-73: the code was started already."""
    await keep(connection, histories.READY, "reserve")
    await keep(connection, histories.UNLICENSED_ACTIVATING, "second")
    second = activated(B, at=LATER, started=NOON, ends=NEXT_END, device="second")
    assert isinstance(second, LicenseActivated)
    assert await told(connection, second) == [("second", "LicenseActivated")]


FLEET = tuple(f"device-{number:04}" for number in range(1_200))
"""As many devices on one code as once stopped a service."""


async def fleet_waits(connection: Connection, *devices: str) -> None:
    """Let the devices' first code be under way."""
    stored = {
        device: Stored(
            2, fold(evolve, [event.but(device_id=device) for event in histories.UNLICENSED_ACTIVATING], Device())
        )
        for device in devices
    }
    await DeviceStore().save(connection, {}, stored)


def decisions() -> float:
    return REGISTRY.get_sample_value("perennial_decisions_total") or 0


def fleet_activated(*, say_it: bool) -> list[Event]:
    """Each device got the code in one batch, by one reading of the clock."""
    first = activated(B, at=NOON, ends=NEXT_END, device=FLEET[0])
    events = [first.but(device_id=device, starts_term=device == FLEET[0]) for device in FLEET]
    return [event if say_it else event.but(starts_term=None) for event in events]


@pytest.mark.parametrize("say_it", [True, False], ids=["says which is the first", "of an older release"])
async def test_a_fleet_that_activates_one_code_at_one_instant_makes_two_decisions_per_device(
    connection: Connection, say_it: bool
) -> None:
    """R-73, R-91: one activation starts the term, and is told to each device once."""
    await fleet_waits(connection, *FLEET)
    before = decisions()
    facts = await told(connection, *fleet_activated(say_it=say_it))
    assert decisions() - before == 2 * len(FLEET) - 1
    assert sorted(device for device, kind in facts if kind == "LicenseActivated") == list(FLEET)
    assert [device for device, kind in facts if kind == "PredictionChanged"] == list(FLEET[1:])


@pytest.mark.parametrize("say_it", [True, False], ids=["says which is the first", "of an older release"])
async def test_a_later_batch_does_not_tell_of_the_start_again(connection: Connection, say_it: bool) -> None:
    """R-73, R-116."""
    devices = FLEET[:10]
    await fleet_waits(connection, *devices)
    early, late = fleet_activated(say_it=say_it)[:5], fleet_activated(say_it=say_it)[5:10]
    await told(connection, *early)
    before = decisions()
    assert await told(connection, *late) == [(device, "LicenseActivated") for device in devices[5:]]
    assert decisions() - before == len(late)


@pytest.mark.parametrize(("orders_max", "fitting"), [(3, 1), (5, 1), (6, 2), (8, 2)])
async def test_a_batch_that_causes_too_many_decisions_is_cut_where_they_still_fit(
    connection: Connection, orders_max: int, fitting: int
) -> None:
    """R-91: work per transaction is bounded in orders, not in records."""
    await keep(connection, histories.ACTIVE, "a", "b", "c")
    batch = batch_of(renewed(A), blocked(A, stops=STOP), unblocked(A))
    with pytest.raises(BatchTooLarge) as cut:
        await verdicts(HANDLER, CLOCK, orders_max=orders_max).handle(connection, batch)
    assert cut.value.last is batch[fitting - 1].record


async def test_one_event_for_too_many_devices_is_told_in_parts_to_each_of_them_once(connection: Connection) -> None:
    """R-91, R-116: whatever number of devices hold the code."""
    source, batch = verdicts(HANDLER, CLOCK, orders_max=2), batch_of(renewed(A))
    await keep(connection, histories.ACTIVE, "a", "b", "c", "d", "e")
    before, parts = decisions(), []
    unfinished = True
    while unfinished:
        handled = await source.handle(connection, batch)
        parts.append([device for device, _ in facts_of(handled)])
        unfinished = handled.unfinished
    assert parts == [["a", "b"], ["c", "d"], ["e"]]
    assert decisions() - before == 5
    assert await connection.fetchval("select count(*) from fan_out") == 0


async def test_a_start_that_is_told_in_parts_reaches_each_device_that_waits(connection: Connection) -> None:
    """R-73: those told already know it, and are not among those that wait any more."""
    source = verdicts(HANDLER, CLOCK, orders_max=2)
    await fleet_waits(connection, "a", "b", "c", "d", "e")
    batch = batch_of(activated(B, at=NOON, ends=NEXT_END, device="c"))
    before, facts = decisions(), []
    unfinished = True
    while unfinished:
        handled = await source.handle(connection, batch)
        facts += facts_of(handled)
        unfinished = handled.unfinished
    assert facts == [(device, "LicenseActivated" if device == "c" else "PredictionChanged") for device in "abcde"]
    assert decisions() - before == len(facts)
    assert await connection.fetchval("select count(*) from fan_out") == 0


async def test_a_renewal_reaches_devices_with_the_code_as_license_or_in_a_slot(
    connection: Connection,
) -> None:
    """R-73, R-91."""
    await keep(connection, histories.SWITCHED, "license")
    await keep(connection, histories.READY, "reserve")
    fact = renewed(B, previous=NEXT_END, ends=NEXT_END + timedelta(days=365))
    assert await told(connection, fact) == [("license", "LicenseRenewed"), ("reserve", "PredictionChanged")]


def test_fleet_tools_may_send_the_commands_that_people_may() -> None:
    """R-89."""
    source = commands(HANDLER, CLOCK)
    assert source.topic == "device.commands.v1"
