"""What the device service's events request, and what shops may send: translated, never decided."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

import pytest

from services.activation.consumer import DEVICES_TOPIC, PURCHASES_TOPIC, REQUEST_TYPES, purchases, requests
from services.activation.decider import (
    DECIDER,
    Activate,
    CancelPurchase,
    Code,
    Command,
    RecordPurchase,
    RecordRefund,
    ReturnSeat,
    Verify,
    commands_for,
)
from services.activation.outbox import OUTBOX
from services.activation.store import CodeStore
from shared.kafka.cloudevents import header_texts, read_envelope
from shared.ledger.clock import Clock
from shared.ledger.command_handler import CommandHandler
from shared.messages import DEVICE_EVENTS, Attempt, DeviceEvent, Event, Installation, UnreadableEvent
from tests.activation.questions import done_offline
from tests.scenarios import (
    END,
    LATER,
    NOON,
    A,
    B,
    C,
    D,
    activated,
    added,
    added_at_once,
    asked_again,
    asked_now,
    enrolled,
    expired,
    expiry,
    given_back,
    removed,
    retried,
    verified,
)
from tests.shared.records import NOON as TOLD_AT
from tests.shared.records import outside_headers

HANDLER: CommandHandler[Command, Code] = CommandHandler(DECIDER, CodeStore(), OUTBOX)
CLOCK = Clock(sandbox=False)

ASKING: dict[str, tuple[Attempt, type[Command], str | None]] = {
    "CodeAdded": (added(B), Verify, None),
    "CodeAdded at once": (added_at_once(B, over=A), Activate, "immediate"),
    "ActivateNow": (asked_now(B), Activate, "manual"),
    "VerificationRepeated": (asked_again(B, region="DE"), Verify, None),
    "ActivationRetried": (retried(B, after=expiry()), Activate, "retry"),
    "LicenseExpired": (expired(reserve=B), Activate, "automatic"),
    "LicenseRemoved": (given_back(reserve=B), Activate, "removal"),
    "OfflineActivationReported": (done_offline(activated=END), Activate, "offline"),
}

WISHES: dict[str, Any] = {
    "product_version": "21.3",
    "vendor": "rival",
    "prior_ref": C,
    "accepts_short_term": True,
    "trials_before": 2,
}


@pytest.mark.parametrize("name", ASKING)
def test_a_request_is_translated_in_full_and_dated_by_its_record(name: str) -> None:
    """R-30, R-45, R-48, R-54b, R-76, R-108: nothing that the device or its user stated is lost on the way."""
    event, kind, trigger = ASKING[name]
    *_, command = commands_for(event.but(**WISHES), LATER)
    assert isinstance(command, Verify | Activate)
    assert type(command) is kind
    assert getattr(command, "trigger", None) == trigger
    told = {"at": LATER, "device_id": D, "code_ref": B, "request_id": event.request_id, "region": "DE"}
    said = command.model_dump()
    assert {name: said[name] for name in (*told, *WISHES)} == {**told, **WISHES}
    before = None if trigger == "removal" else A
    assert (command.current_ref, command.current_ends_at) == (before, END if before else None)


def test_every_field_of_an_attempt_is_passed_on() -> None:
    """A field that is added to the events must not be forgotten here."""
    told = {*Attempt.__struct_fields__, *Installation.__struct_fields__} - {"policy_version", "answer_by"}
    assert told <= {*Verify.model_fields} & {*Activate.model_fields}


def test_ending_a_trial_is_requested_as_the_user_chose() -> None:
    """R-26."""
    (said,) = commands_for(added_at_once(B, over=A).but(ends_trial=True), NOON)
    (unsaid,) = commands_for(added_at_once(B, over=A), NOON)
    assert [getattr(command, "ends_trial", None) for command in (said, unsaid)] == [True, False]


def test_an_activation_made_offline_keeps_its_date() -> None:
    """R-77."""
    (command,) = commands_for(done_offline(activated=END), LATER)
    assert isinstance(command, Activate)
    assert (command.activated_at, command.at) == (END, LATER)
    dates = [getattr(each, "activated_at", None) for event, *_ in ASKING.values() for each in commands_for(event, NOON)]
    assert sum(date is not None for date in dates) == 1


def test_a_license_that_is_given_back_gives_two_commands() -> None:
    """R-25, R-84."""
    first, second = commands_for(given_back(reserve=B, prior=None), NOON)
    assert first == ReturnSeat(code_ref=A, device_id=D, at=NOON)
    assert isinstance(second, Activate)
    assert (second.code_ref, second.prior_ref) == (B, A)


def test_events_that_request_nothing_are_skipped() -> None:
    """R-24, R-35."""
    others: Sequence[Event] = (enrolled(), removed(B), verified(B), activated(B), expired())
    assert [commands_for(event, NOON) for event in others] == [[]] * len(others)


def test_the_consumer_reads_exactly_the_events_that_are_requests() -> None:
    """Unlisted types are skipped unread: a request that is not listed would be lost."""
    assert set(REQUEST_TYPES) == {type(event).__name__ for event, *_ in ASKING.values()}
    assert set(REQUEST_TYPES) < {event.__name__ for event in get_args(DeviceEvent.__value__)}
    source = requests(HANDLER, CLOCK)
    assert source.topic == DEVICES_TOPIC
    assert set(source.ignored) == {event.__name__ for event in DEVICE_EVENTS} - set(REQUEST_TYPES)


# --- what shops tell ---------------------------------------------------------------------------------------


def read(type_name: str, **body: object) -> Command:
    source = purchases(HANDLER, CLOCK)
    assert (source.topic, source.ledger) == (PURCHASES_TOPIC, False)
    envelope = read_envelope(header_texts(outside_headers(ce_type=type_name.encode())))
    return source.read(envelope, json.dumps({"code_ref": A, "order_id": "order-1", **body}).encode())


def test_a_purchase_without_a_date_is_dated_by_its_message() -> None:
    """R-70, R-90."""
    for said, bought in (({}, TOLD_AT), ({"purchased_at": NOON.isoformat()}, NOON)):
        order = read("RecordPurchase", settled=False, **said)
        assert isinstance(order, RecordPurchase)
        assert (order.purchased_at, order.settled) == (bought, False)


def test_a_cancellation_and_a_refund_are_dated_by_this_services_clock() -> None:
    """R-70, R-96: no shop shortens the notice period by its own clock."""
    orders = [read("CancelPurchase"), read("RecordRefund", note="changed his mind", term="P3M")]
    assert [type(order) for order in orders] == [CancelPurchase, RecordRefund]
    assert isinstance(orders[1], RecordRefund)
    assert orders[1].term == "P3M"
    assert all(isinstance(order.at, datetime) and order.at > TOLD_AT for order in orders)


@pytest.mark.parametrize("name", ["RecordPurchase", "RecordRefund"])
def test_a_term_of_zero_length_is_refused_by_its_field_as_at_the_other_door(name: str) -> None:
    """R-96, R-122."""
    said: dict[str, object] = {"note": "sent back"} if name == "RecordRefund" else {"settled": True}
    with pytest.raises(UnreadableEvent, match="term: value_error"):
        read(name, term="P0D", **said)


@pytest.mark.parametrize("name", ["CancelPurchase", "RecordRefund"])
@pytest.mark.parametrize("field", ["at", "purchased_at", "request_id", "settled"])
def test_a_shop_can_only_set_the_fields_that_it_may(name: str, field: str) -> None:
    """R-122."""
    with pytest.raises(UnreadableEvent):
        read(name, note="changed his mind", **{field: NOON.isoformat()})
