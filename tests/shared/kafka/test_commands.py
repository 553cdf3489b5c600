"""Commands from outside tools: read, or refused with one of two errors that never quote the message."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.activation.decider import DECIDER, CodeEvent, RecordPurchase
from services.device.decider import AddCode, EnrollDevice, RemoveLicense, ReportExpiry, ReportOfflineActivation
from shared.kafka.commands import read_command
from shared.kafka.orders import read_order
from shared.messages import UnknownEvent, UnreadableEvent
from shared.messages.regions import FORM
from shared.rules.checks import moment
from tests.scenarios import A, activated, decided, issued, renewed
from tests.shared.moments import NO_MOMENTS
from tests.shared.records import NOON, outside_headers

SECRET = "QWERT-ASDFG"
TYPES = {
    order.__name__: order
    for order in (AddCode, EnrollDevice, RecordPurchase, RemoveLicense, ReportExpiry, ReportOfflineActivation)
}
FILLED_IN = {"at": NOON, "request_id": UUID("0198a1b2-0000-7000-8000-000000000001")}
ADD = {"device_id": "device-1", "code_ref": A, "last_group": "7QX2M"}
BUY = {"code_ref": A, "order_id": "1", "settled": True, "purchased_at": "2026-03-01T12:00:00Z"}


def read(type_name: str, body: Any, filled_in: Mapping[str, Any] = FILLED_IN) -> Any:
    told = body if isinstance(body, bytes) else json.dumps(body).encode()
    envelope, data = read_order(outside_headers(ce_type=type_name.encode()), told, arrived_at=NOON)
    return read_command(envelope, data, types=TYPES, filled_in=filled_in)


def unreadable(type_name: str, body: Any, filled_in: Mapping[str, Any] = FILLED_IN) -> str:
    with pytest.raises(UnreadableEvent) as refused:
        read(type_name, body, filled_in)
    assert SECRET not in str(refused.value)
    return str(refused.value)


def test_a_command_has_its_own_fields_and_those_filled_in() -> None:
    order = read("AddCode", ADD)
    assert order == AddCode.model_validate({**ADD, **FILLED_IN})


def test_an_unknown_command_is_reported() -> None:
    with pytest.raises(UnknownEvent):
        read("SellCode", ADD)


@pytest.mark.parametrize("field", ["at", "request_id"])
def test_no_outside_tool_can_set_the_time_or_the_request_id(field: str) -> None:
    """R-62, R-111."""
    unreadable("AddCode", {**ADD, field: FILLED_IN[field].__str__()})


@pytest.mark.parametrize("body", [[ADD], "x", 1, None, b"", b"\xff", b"{", b"9" * 10_000, b'{"device_id": "\\ud800"}'])
def test_a_body_that_is_not_an_object_is_unreadable(body: Any) -> None:
    """R-122."""
    unreadable("AddCode", body)


@pytest.mark.parametrize("field", list(ADD))
def test_a_field_that_is_missing_or_wrong_is_named_and_never_quoted(field: str) -> None:
    """R-112."""
    assert f"{field}: missing" in unreadable("AddCode", {name: value for name, value in ADD.items() if name != field})
    assert field in unreadable("AddCode", {**ADD, field: SECRET * 20})


@pytest.mark.parametrize("moment", NO_MOMENTS)
@pytest.mark.parametrize(
    ("command", "body", "field"),
    [
        ("RecordPurchase", BUY, "purchased_at"),
        ("ReportOfflineActivation", ADD, "activated_at"),
        ("RemoveLicense", {"device_id": "device-1"}, "removed_at"),
        ("ReportExpiry", {"device_id": "device-1"}, "ended_at"),
    ],
)
def test_a_time_of_another_form_or_beyond_utc_is_parked(
    command: str, body: dict[str, Any], field: str, moment: Any
) -> None:
    """R-122, R-134."""
    assert f"{field}: datetime_" in unreadable(command, {**body, field: moment}).replace("timezone_", "datetime_")


@pytest.mark.parametrize(("region", "hint"), [("UK", "for the United Kingdom write GB"), ("ZZ", FORM)])
def test_a_region_that_is_no_country_is_parked_with_what_to_write(region: str, hint: str) -> None:
    """R-122, R-137."""
    body = {"device_id": "device-1", "product": "antivirus", "region": region}
    assert unreadable("EnrollDevice", body) == f"EnrollDevice: region: not_a_country, {hint}"
    assert read("EnrollDevice", {**body, "region": "GB"}).region == "GB"


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("AddCode", {**ADD, "replace": "true"}),
        ("AddCode", {**ADD, "replace": 1}),
        ("RecordPurchase", {**BUY, "settled": "yes"}),
        ("RecordPurchase", {**BUY, "settled": 0}),
    ],
)
def test_a_truth_value_is_true_or_false_and_nothing_like_it(command: str, body: dict[str, Any]) -> None:
    """R-122, R-134."""
    assert ": bool_type" in unreadable(command, body)


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ("2026-03-01T13:30:00.250+01:30", "2026-03-01T12:00:00.250000+00:00"),
        ("2026-03-01t12:00:00z", "2026-03-01T12:00:00+00:00"),
        (moment(NOON), NOON.isoformat()),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_a_time_is_taken_in_utc(told: str, taken: str) -> None:
    """R-134: also as the rules themselves write it in a sentence."""
    order = read("RecordPurchase", {**BUY, "purchased_at": told}, {"at": NOON})
    assert order.purchased_at.isoformat() == taken


def test_an_unknown_field_is_refused_and_its_name_is_not_quoted() -> None:
    """R-112: a code pasted in the wrong place is a field name too."""
    unreadable("AddCode", {**ADD, SECRET: 1})


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"device_id":' * 200_000], ids=["lists", "objects"])
def test_a_body_nested_too_deeply_is_unreadable(body: bytes) -> None:
    """R-122: the worker would stop, and again after every start."""
    unreadable("AddCode", body)


def test_a_nul_in_the_name_of_a_command_is_unreadable() -> None:
    """R-122."""
    unreadable("RecordPurchase", {**BUY, "order_id": "a\x00b"}, {"at": NOON})


def test_no_number_of_purchases_stops_a_worker() -> None:
    """R-122: an end that the calendar does not have is refused, or cut; it breaks nothing."""
    order = read("RecordPurchase", {**BUY, "term": "P99Y"}, {"at": NOON})
    almost = datetime(9990, 1, 1, tzinfo=UTC)
    history: list[CodeEvent] = [issued(A), activated(A), renewed(A, ends=almost, order="the 80th")]
    decided(DECIDER, history, order)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(
    type_name=st.sampled_from(sorted(TYPES)),
    base=st.sampled_from([{}, ADD, BUY]),
    body=st.dictionaries(
        st.sampled_from([*ADD, *BUY, "replace", "term", "region"]) | st.text(), json_values, max_size=4
    ),
)
def test_whatever_the_body_nothing_else_is_raised(type_name: str, base: dict[str, Any], body: dict[str, Any]) -> None:
    """R-122."""
    try:
        read(type_name, base | body)
    except UnreadableEvent:
        return
