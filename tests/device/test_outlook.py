"""What the device service says of a code in reserve before its switch, from what codes allow and who wants them."""

from datetime import timedelta

import pytest

from services.device.decider import Device, evolve
from services.device.outlook import CODE_TERMS, CodeTerms, Demand, Outlook, outlook_of, switch_at
from shared.messages import CodeBlocked, CodeEvent, CodeUnblocked, DeviceEvent, Reason
from tests.device.table import STATES
from tests.scenarios import NOON, B, issued

NOBODY = Demand(seated=0, earlier=0, together=0)


def device(name: str = "active, ready", **changed: object) -> Device:
    events, _ = STATES[name]
    state = Device()
    for event in events:
        state = evolve(state, event)
    return state.but(**changed)


DEVICE = device()
AT = switch_at(DEVICE) or NOON
ALLOWS = CodeTerms(product=DEVICE.product, seats=2)


def folded(*events: CodeEvent | DeviceEvent) -> CodeTerms:
    terms = CODE_TERMS.initial
    for event in events:
        terms = CODE_TERMS.fold(terms, event, occurred_at=NOON, recorded_at=NOON)
    return terms


def test_terms_are_what_was_issued_and_whether_it_is_blocked() -> None:
    """R-46, R-118."""
    code = issued(B, seats=3, regions=("DE",), version_min="2", version_max="3", activate_by=NOON)
    terms = folded(code)
    assert (terms.product, terms.seats, terms.regions) == (code.product, 3, ("DE",))
    assert (terms.version_min, terms.version_max, terms.activate_by) == ("2", "3", NOON)
    block = CodeBlocked(code_ref=B, note="stolen")
    assert [folded(code).blocked, folded(code, block).blocked] == [False, True]
    assert folded(code, block, CodeUnblocked(code_ref=B, note="found")) == terms


def test_what_it_reads_not_changes_nothing() -> None:
    """R-118: events that are passed over unread could be read as well."""
    assert not {"CodeIssued", "CodeBlocked", "CodeUnblocked"} & set(CODE_TERMS.ignored)
    assert "LicenseActivated" in CODE_TERMS.ignored


def test_a_code_that_nothing_is_in_the_way_of_has_no_outlook() -> None:
    assert outlook_of(DEVICE, AT, ALLOWS, NOBODY) is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"blocked": True}, "code_blocked"),
        ({"product": "another"}, "wrong_product"),
        ({"version_min": "999"}, "version_incompatible"),
        ({"version_max": "0.1"}, "version_incompatible"),
        ({"regions": ("JP",)}, "wrong_region"),
        ({"activate_by": AT - timedelta(seconds=1)}, "activate_by_passed"),
        ({"blocked": True, "regions": ("JP",), "seats": 0}, "code_blocked"),
    ],
)
def test_what_will_be_refused_is_said_by_its_reason(changed: dict[str, object], reason: Reason) -> None:
    """R-46, R-48, R-79, R-141: the first one that the activation service looks at."""
    installed = device(product_version="2.1")
    assert outlook_of(installed, AT, ALLOWS.but(**changed), NOBODY) == Outlook(at=AT, reason=reason)


def test_a_term_that_has_begun_can_be_over_by_then() -> None:
    """R-72, R-141."""
    assert DEVICE.reserve is not None
    begun = DEVICE.reserve.but(started_at=NOON, predicted_ends_at=AT)
    assert outlook_of(device(reserve=begun), AT, ALLOWS, NOBODY) == Outlook(at=AT, reason="term_over")
    unused = DEVICE.reserve.but(started_at=None, predicted_ends_at=AT)
    assert outlook_of(device(reserve=unused), AT, ALLOWS, NOBODY) is None


def test_a_term_that_another_device_begins_before_can_be_over_by_then() -> None:
    """R-66, R-67, R-141: and who begins it in time lets the others activate the code after the day, too."""
    assert DEVICE.reserve is not None
    short = device(reserve=DEVICE.reserve.but(started_at=None, term="P10D"))
    for days, reason in ((10, "term_over"), (9, None), (-1, None)):
        demand = Demand(seated=0, earlier=1, together=0, first_at=AT - timedelta(days=days))
        outlook = outlook_of(short, AT, ALLOWS, demand)
        assert (outlook and outlook.reason) == reason
    by_then = ALLOWS.but(activate_by=AT - timedelta(days=1))
    assert outlook_of(short, AT, by_then, Demand(0, 1, 0, first_at=AT - timedelta(days=2))) is None


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        (Demand(seated=1, earlier=0, together=0), None),
        (Demand(seated=0, earlier=1, together=0), None),
        (Demand(seated=0, earlier=0, together=1), None),
        (Demand(seated=0, earlier=0, together=2), (2, 3)),
        (Demand(seated=1, earlier=0, together=1), (1, 2)),
        (Demand(seated=0, earlier=1, together=1), (1, 2)),
        (Demand(seated=2, earlier=0, together=0), (0, 0)),
        (Demand(seated=1, earlier=1, together=5), (0, 0)),
        (Demand(seated=0, earlier=9, together=5), (0, 0)),
    ],
)
def test_seats_are_counted_by_who_has_them_and_who_wants_them(demand: Demand, said: tuple[int, int] | None) -> None:
    """R-85, R-141: of two seats."""
    outlook = outlook_of(DEVICE, AT, ALLOWS, demand)
    assert (outlook and (outlook.seats, outlook.contenders)) == said
    assert outlook is None or outlook.reason == "seats_exhausted"


@pytest.mark.parametrize("name", STATES)
def test_only_a_code_that_will_be_tried_has_an_outlook(name: str) -> None:
    state = device(name)
    waits = state.reserve is not None and state.reserve.status in ("ready", "retrying") and not state.reserve.held
    assert waits or switch_at(state) is None
