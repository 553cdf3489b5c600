"""A code is blocked: no new activations at once, and an end of the existing ones after the notice period."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import asdict

from services.activation.decider import (
    DECIDER,
    POLICY,
    BlockCode,
    CodeEvent,
    EraseCustomer,
    IssueCode,
    RecordPurchase,
    UnblockCode,
    decider,
)
from shared.messages import LicenseActivated
from shared.rules.decider import Refused
from tests.activation.questions import add
from tests.scenarios import (
    END,
    LATER,
    MILLISECOND,
    NEXT_END,
    NOON,
    OTHER,
    START,
    A,
    B,
    activated,
    announced,
    asked_now,
    blocked,
    decided,
    expired,
    forgotten,
    issued,
    last_group,
    on,
    refused,
    rejected,
    released,
    renewed,
    renews_itself,
    scenario,
    state_after,
    unblocked,
)

STOPS = NOON + POLICY.block_notice
STOPPED: list[CodeEvent] = [issued(A), activated(A), blocked(A, stops=STOPS), issued(B)]
BLOCK = BlockCode(code_ref=A, at=NOON, note="lost card")
UNBLOCK = UnblockCode(code_ref=A, at=NOON, note="found card")


def test_a_block_names_the_end_of_the_notice_period() -> None:
    """R-105: to every device on the code, so it names none."""
    given: list[CodeEvent] = [issued(A), activated(A)]
    scenario(DECIDER, given=given, when=BLOCK, then=[blocked(A, stops=STOPS)])
    assert (POLICY.block_notice, STOPS) == (timedelta(days=8), NOON + timedelta(days=8))
    hasty = decider(POLICY.model_copy(update={"block_notice": timedelta(0)}))
    assert decided(hasty, given, BLOCK) == [blocked(A, stops=NOON)]


def test_a_blocked_code_cannot_be_activated_even_within_the_notice_period() -> None:
    """R-13, R-46, R-105."""
    given: list[CodeEvent] = [issued(B, seats=2), activated(B, ends=NEXT_END, device=OTHER), blocked(B, stops=STOPS)]
    scenario(DECIDER, given=given, when=add(), then=[rejected(B, "code_blocked", asked=NOON)])
    current: list[CodeEvent] = [issued(A), activated(A)]
    scenario(DECIDER, given=[*current, *given], when=on(expired(reserve=B), END), then=[refused(B, "code_blocked")])


def test_a_blocked_license_stops_when_the_notice_period_is_over() -> None:
    """R-105, R-33, R-40: then the reserve takes over, and not a millisecond before."""
    stopped = on(expired(reserve=B, ended=STOPS), STOPS)
    license_, seat = decided(DECIDER, STOPPED, stopped)
    assert isinstance(license_, LicenseActivated)
    assert (license_.started_at, license_.replaced_ref, seat) == (STOPS, A, released(A, "switched"))
    early = on(expired(reserve=B, ended=STOPS), STOPS - MILLISECOND)
    scenario(DECIDER, given=STOPPED, when=early, then=[refused(B, "not_expired", available=STOPS)])


def test_a_license_whose_term_ends_within_the_notice_period_ends_with_its_term() -> None:
    """R-105."""
    given: list[CodeEvent] = [issued(A), activated(A), blocked(A, stops=END + timedelta(days=3)), issued(B)]
    assert state_after(DECIDER, given[:3]).over_at == END
    assert isinstance(decided(DECIDER, given, on(expired(reserve=B), END))[0], LicenseActivated)


def test_unblocking_restores_what_the_block_stopped() -> None:
    """R-106: to every device on the code, and the switch that was on its way is stale."""
    scenario(DECIDER, given=STOPPED[:3], when=UNBLOCK, then=[unblocked(A)])
    before, after = state_after(DECIDER, STOPPED[:2]), state_after(DECIDER, [*STOPPED[:3], unblocked(A)])
    assert after == before
    given = [*STOPPED, unblocked(A)]
    scenario(DECIDER, given=given, when=on(expired(reserve=B, ended=STOPS), STOPS), then=[refused(B, "stale")])


def test_a_second_block_gives_notice_again() -> None:
    """R-105, R-106."""
    again = BlockCode(code_ref=A, at=LATER, note="lost card")
    given: list[CodeEvent] = [*STOPPED[:3], unblocked(A)]
    scenario(DECIDER, given=given, when=again, then=[blocked(A, stops=LATER + POLICY.block_notice)])
    scenario(DECIDER, given=STOPPED[:3], when=again, then=[])


def test_a_renewal_does_not_lift_a_block() -> None:
    """R-105: nor is one waited for."""
    buys = RecordPurchase(code_ref=A, at=NOON, order_id="order-1", settled=True, purchased_at=NOON)
    scenario(DECIDER, given=STOPPED[:3], when=buys, then=[renewed(A)])
    code = state_after(DECIDER, [*STOPPED[:3], renewed(A)])
    assert (code.blocked, code.over_at, code.ends_at) == (True, STOPS, NEXT_END)
    for more in (renewed(A), announced(A, until=NEXT_END), renews_itself(A)):
        (license_, _) = decided(DECIDER, [*STOPPED, more], on(expired(reserve=B, ended=STOPS), STOPS))
        assert isinstance(license_, LicenseActivated)


@pytest.mark.parametrize("at", [STOPS, LATER])
def test_activate_now_follows_a_license_that_was_stopped(at: datetime) -> None:
    """R-55, R-105: the button and the timer use the same end."""
    (license_, _) = decided(DECIDER, STOPPED, on(asked_now(B, ends=STOPS), at))
    assert isinstance(license_, LicenseActivated)


# --- issuing and forgetting --------------------------------------------------------------------------------

EVERYTHING = IssueCode(
    code_ref=A,
    at=START,
    last_group=last_group(A),
    product="security",
    kind="subscription",
    term="P1M",
    seats=3,
    regions=("DE",),
    activate_by=END,
    vendor="rival",
    edition="plus",
    features=("vpn",),
    version_min="21",
    version_max="22.9",
    grace_days=7,
    auto_renews=True,
    short_term="P6M",
    sealed_customer="k1.c2VhbGVk",
)


def test_a_code_is_issued_with_all_that_was_ordered() -> None:
    """R-13, R-27, R-28, R-30, R-48, R-65, R-108, R-115."""
    (event,) = decided(DECIDER, [], EVERYTHING)
    ordered = EVERYTHING.model_dump(exclude={"at"})
    assert asdict(event) == ordered | {"policy_version": POLICY.version}
    code = asdict(state_after(DECIDER, [event]))
    assert {name: code[name] for name in ordered if name != "sealed_customer"} == {
        name: value for name, value in ordered.items() if name != "sealed_customer"
    }


def test_a_customer_is_kept_out_of_the_state_and_erased_once() -> None:
    """R-115: the sealed text is only in the event; the code and its license go on."""
    erase = EraseCustomer(code_ref=A, at=NOON)
    given: list[CodeEvent] = [issued(A, sealed_customer="k1.c2VhbGVk"), activated(A)]
    assert "k1.c2VhbGVk" not in state_after(DECIDER, given).to_json()
    scenario(DECIDER, given=given, when=erase, then=[forgotten(A)])
    scenario(DECIDER, given=[*given, forgotten(A)], when=erase, then=[])
    scenario(DECIDER, given=[issued(A)], when=erase, then=[])
    after, before = state_after(DECIDER, [*given, forgotten(A)]), state_after(DECIDER, given)
    assert after == before.but(has_customer=False)


def test_a_code_that_is_not_a_subscription_is_not_issued_to_renew_itself() -> None:
    """R-27."""
    with pytest.raises(Refused) as refusal:
        decided(DECIDER, [], EVERYTHING.model_copy(update={"kind": "paid"}))
    assert refusal.value.code == "not_a_subscription"
