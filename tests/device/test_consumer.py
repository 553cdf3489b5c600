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
from shared.kafka.inbox import Accepted
from shared.ledger.clock import Clock
from shared.ledger.command_handler import CommandHandler, Stored
from shared.ledger.database import Connection
from shared.messages import ACTIVATION_EVENTS, DEVICE_EVENTS, Event, HoldersEvent, LicenseActivated, decode
from shared.rules.decider import fold
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
SOURCE = verdicts(HANDLER, CLOCK)


async def keep(connection: Connection, history: Sequence[DeviceEvent], *devices: str) -> None:
    """Give the devices that history."""
    for device in devices:
        told = [event.but(device_id=device) for event in history]
        await DeviceStore().save(connection, {}, {device: Stored(len(told), fold(evolve, told, Device()))})


async def told(connection: Connection, *events: Event) -> list[tuple[str, str]]:
    """Let the consumer handle the events as one batch, and return what is recorded of which device."""
    batch = [
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
            event,
        )
        for number, event in enumerate(events)
    ]
    handled = await SOURCE.handle(connection, batch)
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
