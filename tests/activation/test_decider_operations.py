"""What shops and operators do with a code."""

from datetime import datetime, timedelta

import pytest

from services.activation.decider import (
    DECIDER,
    POLICY,
    BlockCode,
    CodeEvent,
    Command,
    IssueCode,
    RecordPurchase,
    RecordRefund,
    ReleaseSeat,
    UnblockCode,
    decider,
    devices_of,
)
from shared.rules.decider import Refused
from tests.scenarios import (
    END,
    LATER,
    MILLISECOND,
    NEXT_END,
    NOON,
    OTHER,
    START,
    A,
    D,
    activated,
    announced,
    blocked,
    decided,
    issued,
    last_group,
    not_bought,
    released,
    renewed,
    scenario,
    state_after,
    unblocked,
)

IN_USE: list[CodeEvent] = [issued(A, seats=2), activated(A), activated(A, device=OTHER)]


def issue() -> IssueCode:
    return IssueCode(
        code_ref=A,
        at=START,
        last_group=last_group(A),
        product="security",
        kind="paid",
        term="P1Y",
        seats=2,
    )


def buy(
    *, bought: datetime = NOON, settled: bool = True, term: str | None = None, order: str = "order-1"
) -> RecordPurchase:
    return RecordPurchase(
        code_ref=A, at=max(bought, LATER), order_id=order, settled=settled, purchased_at=bought, term=term
    )


BLOCK = BlockCode(code_ref=A, at=NOON, note="lost card")
UNBLOCK = UnblockCode(code_ref=A, at=NOON, note="found card")
RELEASE = ReleaseSeat(code_ref=A, at=NOON, device_id=D, note="stolen")


def test_a_code_is_issued_once() -> None:
    scenario(DECIDER, given=[], when=issue(), then=[issued(A, seats=2)])
    scenario(DECIDER, given=IN_USE, when=issue(), then=[])


@pytest.mark.parametrize("order", [BLOCK, UNBLOCK, RELEASE, buy()])
def test_a_command_about_a_code_that_was_never_issued_is_refused_without_a_trace(order: Command) -> None:
    with pytest.raises(Refused) as refusal:
        decided(DECIDER, [], order)
    assert refusal.value.code == "unknown_code"


def test_a_purchase_before_the_end_renews_from_the_old_end() -> None:
    """R-90, R-92."""
    scenario(DECIDER, given=IN_USE, when=buy(bought=NOON), then=[renewed(A, ends=NEXT_END, bought=NOON)])


def test_a_purchase_after_the_end_renews_from_the_purchase() -> None:
    """R-92."""
    bought = END + timedelta(days=10)
    ends = datetime.fromisoformat("2028-03-11T12:00:00Z")
    late = renewed(A, ends=ends, bought=bought, anchor=bought)
    scenario(DECIDER, given=IN_USE, when=buy(bought=bought), then=[late])


def test_a_shop_whose_clock_is_a_little_fast_is_dated_by_the_server() -> None:
    """R-92, R-131: what is recorded is what was counted, so that a refund takes exactly that."""
    at = END + timedelta(days=1)
    fast = buy(bought=at + POLICY.clock_tolerance).model_copy(update={"at": at})
    ends = datetime.fromisoformat("2028-03-02T12:00:00Z")
    bought = renewed(A, ends=ends, bought=at, anchor=at)
    scenario(DECIDER, given=IN_USE, when=fast, then=[bought])
    at_once = decider(POLICY.model_copy(update={"refund_notice": timedelta(0)}))
    back = RecordRefund(code_ref=A, at=at, order_id="order-1", note="changed his mind", term="P11M")
    (event,) = decided(at_once, [*IN_USE, bought], back)
    assert getattr(event, "ends_at", None) == datetime.fromisoformat("2027-04-02T12:00:00Z")


@pytest.mark.parametrize("settled", [True, False])
def test_a_purchase_that_is_dated_ahead_of_its_time_is_refused(settled: bool) -> None:
    """R-131."""
    ahead = buy(bought=LATER + POLICY.clock_tolerance + MILLISECOND, settled=settled)
    with pytest.raises(Refused) as refusal:
        decided(DECIDER, IN_USE, ahead.model_copy(update={"at": LATER}))
    assert (refusal.value.code, refusal.value.field) == ("date_out_of_range", "purchased_at")


def test_a_purchase_may_be_of_another_term() -> None:
    """R-90."""
    ends = datetime.fromisoformat("2027-04-01T12:00:00Z")
    scenario(DECIDER, given=IN_USE, when=buy(term="P1M"), then=[renewed(A, ends=ends, term="P1M")])


def test_one_purchase_extends_every_device_on_the_code() -> None:
    """R-91: it names no device."""
    (event,) = decided(DECIDER, IN_USE, buy())
    assert getattr(event, "device_id", D) is None


def test_a_payment_notice_that_comes_twice_renews_once() -> None:
    """R-95."""
    scenario(DECIDER, given=[*IN_USE, renewed(A)], when=buy(), then=[])
    scenario(DECIDER, given=[*IN_USE, renewed(A)], when=buy(settled=False), then=[])


def test_an_order_that_is_told_again_with_another_term_is_refused_with_what_it_was_settled_as() -> None:
    """R-95, R-133."""
    given: list[CodeEvent] = [*IN_USE, renewed(A, term="P3M")]
    scenario(DECIDER, given=given, when=buy(term="P3M"), then=[])
    scenario(DECIDER, given=given, when=buy(settled=False), then=[])
    for other in (buy(term="P1M"), buy(), buy(term="P1M", settled=False)):
        with pytest.raises(Refused, match=r"bought at 2026-09-01T12:00:00\.000Z with a term of P3M") as refusal:
            decided(DECIDER, given, other)
        assert (refusal.value.code, refusal.value.field) == ("order_reused", "term")


def test_two_orders_renew_twice() -> None:
    """R-92, R-95."""
    second = renewed(
        A,
        previous=NEXT_END,
        ends=datetime.fromisoformat("2029-03-01T12:00:00Z"),
        order="order-2",
    )
    scenario(DECIDER, given=[*IN_USE, renewed(A)], when=buy(order="order-2"), then=[second])


def test_a_purchase_changes_neither_the_seats_nor_the_start() -> None:
    """R-74, R-97."""
    before, after = state_after(DECIDER, IN_USE), state_after(DECIDER, [*IN_USE, renewed(A)])
    assert after.but(renewals=()) == before.but(ends_at=NEXT_END)


def test_a_purchase_for_a_code_that_was_never_activated_renews_nothing() -> None:
    """R-90."""
    unused: list[CodeEvent] = [issued(A)]
    nothing = not_bought(A, "not_activated")
    scenario(DECIDER, given=unused, when=buy(), then=[nothing])
    assert state_after(DECIDER, [*unused, nothing]) == state_after(DECIDER, unused)


def test_a_purchase_that_is_not_settled_is_announced_once_and_held_for_a_time() -> None:
    """R-70, R-95."""
    hold = announced(A, until=LATER + POLICY.settlement_hold)
    scenario(DECIDER, given=IN_USE, when=buy(settled=False), then=[hold])
    scenario(DECIDER, given=[*IN_USE, hold], when=buy(settled=False), then=[])


def test_a_settled_purchase_ends_only_its_own_hold() -> None:
    """R-70, R-90."""
    first, second = announced(A, until=NEXT_END, order="1"), announced(A, until=NEXT_END, order="2")
    scenario(DECIDER, given=[*IN_USE, first], when=buy(order="1"), then=[renewed(A, order="1")])
    code = state_after(DECIDER, [*IN_USE, second, first, renewed(A, order="1")])
    assert [purchase.order_id for purchase in code.pending] == ["2"]


def test_a_code_is_blocked_and_unblocked_once() -> None:
    """R-46, R-106."""
    scenario(DECIDER, given=IN_USE, when=BLOCK, then=[blocked(A, stops=NOON + POLICY.block_notice)])
    scenario(DECIDER, given=[*IN_USE, blocked(A)], when=BLOCK, then=[])
    scenario(DECIDER, given=[*IN_USE, blocked(A)], when=UNBLOCK, then=[unblocked(A)])
    scenario(DECIDER, given=IN_USE, when=UNBLOCK, then=[])


def test_an_operator_releases_the_seat_of_a_lost_device() -> None:
    """R-84."""
    scenario(DECIDER, given=IN_USE, when=RELEASE, then=[released(A, note="stolen")])
    assert devices_of(RELEASE) == (D,)


def test_a_device_without_a_seat_has_none_to_release() -> None:
    """R-84."""
    with pytest.raises(Refused) as refusal:
        decided(DECIDER, [*IN_USE, released(A)], RELEASE)
    assert refusal.value.code == "not_a_holder"
