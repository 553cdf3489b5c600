"""Purchases that are cancelled before they are settled, or refunded afterwards."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.activation.decider import (
    DECIDER,
    EARLY_MAX,
    POLICY,
    CancelPurchase,
    Code,
    CodeEvent,
    Command,
    RecordPurchase,
    RecordRefund,
    decider,
)
from shared.messages import LicenseShortened
from shared.rules.decider import Refused, fold
from tests.scenarios import (
    END,
    LATER,
    NEXT_END,
    NOON,
    OTHER,
    START,
    A,
    B,
    activated,
    announced,
    cancelled,
    decided,
    delayed,
    expired,
    issued,
    not_bought,
    on,
    renewed,
    scenario,
    shortened,
    state_after,
    too_early,
)

IN_USE: list[CodeEvent] = [issued(A, seats=2), activated(A), activated(A, device=OTHER)]
BOUGHT: list[CodeEvent] = [*IN_USE, renewed(A)]
THIRD_END = datetime(2029, 3, 1, 12, tzinfo=UTC)
TWICE: list[CodeEvent] = [*BOUGHT, renewed(A, previous=NEXT_END, ends=THIRD_END, order="order-2")]


def refund(*, order: str = "order-1", term: str | None = None, at: datetime = NOON) -> RecordRefund:
    return RecordRefund(code_ref=A, at=at, order_id=order, note="changed his mind", term=term)


def cancel(order: str = "order-1") -> CancelPurchase:
    return CancelPurchase(code_ref=A, at=NOON, order_id=order, note="card refused")


# --- refunds -----------------------------------------------------------------------------------------------


def test_a_refund_subtracts_what_the_order_added() -> None:
    """R-96: on every device on the code, with its reason, and the first activation stays (R-66)."""
    scenario(DECIDER, given=BOUGHT, when=refund(), then=[shortened(A)])
    after, before = state_after(DECIDER, [*BOUGHT, shortened(A)]), state_after(DECIDER, IN_USE)
    assert after.but(renewals=()) == before


def test_a_refund_never_ends_a_license_before_the_notice_period_is_over() -> None:
    """R-96."""
    at = END + timedelta(days=3)
    notice_ends_at = at + POLICY.refund_notice
    scenario(DECIDER, given=BOUGHT, when=refund(at=at), then=[shortened(A, ends=notice_ends_at)])
    assert notice_ends_at - at == timedelta(days=14)


@pytest.mark.parametrize("at", [NEXT_END - timedelta(days=2), NEXT_END, NEXT_END + timedelta(days=90)])
def test_a_refund_of_a_license_that_ends_sooner_changes_no_end_but_is_recorded(at: datetime) -> None:
    """R-96: a later renewal does not bring the refunded time back into question."""
    nothing = shortened(A, ends=NEXT_END)
    scenario(DECIDER, given=BOUGHT, when=refund(at=at), then=[nothing])
    scenario(DECIDER, given=[*BOUGHT, nothing], when=refund(at=at), then=[])


def test_a_refund_of_an_earlier_order_moves_what_was_bought_after_it() -> None:
    """R-92, R-96: by the calendar, as if the first had never been bought."""
    scenario(
        DECIDER,
        given=TWICE,
        when=refund(order="order-1"),
        then=[shortened(A, previous=THIRD_END, ends=NEXT_END)],
    )
    scenario(
        DECIDER,
        given=[*TWICE, shortened(A, previous=THIRD_END, ends=NEXT_END)],
        when=refund(order="order-2"),
        then=[shortened(A, previous=NEXT_END, ends=END, order="order-2")],
    )


def test_an_order_that_was_bought_after_the_end_keeps_its_own_beginning() -> None:
    """R-92, R-96."""
    bought = NEXT_END + timedelta(days=10)
    ends = bought.replace(year=2029)
    later = renewed(A, previous=NEXT_END, ends=ends, bought=bought, order="order-2", anchor=bought)
    given: list[CodeEvent] = [*BOUGHT, later]
    unmoved = shortened(A, previous=ends, ends=ends, anchor=bought)
    scenario(DECIDER, given=given, when=refund(order="order-1", at=bought), then=[unmoved])
    all_of_it = shortened(A, previous=ends, ends=bought + POLICY.refund_notice, order="order-2")
    scenario(DECIDER, given=given, when=refund(order="order-2", at=bought), then=[all_of_it])


def test_a_part_is_refunded_then_another_then_what_is_left_then_nothing() -> None:
    """R-96."""
    ends = [datetime.fromisoformat(f"{day}T12:00:00Z") for day in ("2027-12-01", "2027-11-01")]
    first = shortened(A, ends=ends[0], term="P3M")
    second = shortened(A, previous=ends[0], ends=ends[1], term="P1M")
    third = shortened(A, previous=ends[1], ends=END)
    scenario(DECIDER, given=BOUGHT, when=refund(term="P3M"), then=[first])
    scenario(DECIDER, given=[*BOUGHT, first], when=refund(term="P1M"), then=[second])
    scenario(DECIDER, given=[*BOUGHT, first, second], when=refund(), then=[third])
    scenario(DECIDER, given=[*BOUGHT, first, second, third], when=refund(), then=[])
    scenario(DECIDER, given=[*BOUGHT, first, second, third], when=refund(term="P1M"), then=[])


def test_a_second_refund_takes_no_more_than_what_is_left() -> None:
    """R-96."""
    first = shortened(A, ends=NEXT_END - timedelta(days=335), term="P11M")
    rest = shortened(A, previous=first.ends_at, ends=END, term="P11M")
    scenario(DECIDER, given=[*BOUGHT, first], when=refund(term="P11M"), then=[rest])


@pytest.mark.parametrize("term", ["P1Y1D", "P13M", "P2Y", "P367D"])
def test_more_than_was_bought_is_not_refunded(term: str) -> None:
    """R-96: not in part either (a year until March 2028 has 366 days)."""
    too_much = not_bought(A, "refund_exceeds_purchase", what="refund")
    scenario(DECIDER, given=BOUGHT, when=refund(term=term), then=[too_much])
    assert state_after(DECIDER, [*BOUGHT, too_much]) == state_after(DECIDER, BOUGHT)


@pytest.mark.parametrize("term", ["P1Y", "P12M", "P366D"])
def test_as_much_as_was_bought_is_refunded_however_it_is_written(term: str) -> None:
    """R-96."""
    scenario(DECIDER, given=BOUGHT, when=refund(term=term), then=[shortened(A, term=term)])
    scenario(DECIDER, given=[*BOUGHT, shortened(A, term=term)], when=refund(), then=[])


def test_a_refund_of_zero_length_is_not_a_refund() -> None:
    """R-96."""
    with pytest.raises(ValidationError, match="zero length"):
        refund(term="P0D")


@pytest.mark.parametrize("given", [[issued(A)], IN_USE, [*IN_USE, announced(A, until=END, order="order-1")]])
def test_an_order_that_renewed_nothing_has_nothing_to_refund(given: list[CodeEvent]) -> None:
    """R-96: also one that was never settled."""
    scenario(DECIDER, given=given, when=refund(), then=[too_early(A, "refund")])
    code = state_after(DECIDER, [*given, too_early(A, "refund")])
    assert code.but(early_refunds=()) == state_after(DECIDER, given)


# --- refunds and cancellations that overtake their purchase --------------------------------------------------


def buy(*, settled: bool = True, order: str = "order-1", term: str | None = None) -> RecordPurchase:
    return RecordPurchase(code_ref=A, at=NOON, order_id=order, settled=settled, purchased_at=NOON, term=term)


def state_of(history: list[CodeEvent], *commands: Command) -> Code:
    """Return the code after these commands, without what it remembers of refunds that came early."""
    events = list(history)
    for command in commands:
        events += decided(DECIDER, events, command)
    return state_after(DECIDER, events).but(early_refunds=())


def test_a_refund_that_comes_before_its_purchase_counts_as_soon_as_that_comes() -> None:
    """R-36, R-96, R-132."""
    scenario(DECIDER, given=[*IN_USE, too_early(A, "refund")], when=buy(), then=[renewed(A), shortened(A)])
    scenario(DECIDER, given=[*IN_USE, too_early(A, "refund")], when=buy(order="2"), then=[renewed(A, order="2")])
    scenario(DECIDER, given=[*IN_USE, too_early(A, "refund"), renewed(A), shortened(A)], when=buy(), then=[])


def test_a_part_that_is_refunded_early_counts_once_though_the_shop_repeats_it() -> None:
    """R-96, R-132: it was told that its refund came too early."""
    part = shortened(A, ends=NEXT_END - timedelta(days=29), term="P1M")
    given: list[CodeEvent] = [*IN_USE, *[too_early(A, "refund", term="P1M")] * 2]
    scenario(DECIDER, given=given, when=buy(), then=[renewed(A), part])
    scenario(DECIDER, given=[*given, renewed(A), part], when=refund(term="P1M"), then=[])


def test_a_refund_that_comes_early_and_exceeds_its_purchase_is_refused_then() -> None:
    """R-96, R-132: the purchase counts."""
    too_much = not_bought(A, "refund_exceeds_purchase", what="refund")
    scenario(DECIDER, given=[*IN_USE, too_early(A, "refund", term="P2Y")], when=buy(), then=[renewed(A), too_much])


def test_a_cancellation_that_comes_before_the_announcement_lets_it_hold_nothing() -> None:
    """R-36, R-70, R-132: it may be paid after all."""
    given: list[CodeEvent] = [*IN_USE, too_early(A, "cancellation")]
    scenario(DECIDER, given=given, when=buy(settled=False), then=[])
    scenario(DECIDER, given=given, when=buy(), then=[renewed(A)])
    scenario(DECIDER, given=given, when=cancel(), then=[])


IN_ORDER: list[Command] = [buy(settled=False), buy(), refund(term="P3M"), refund(term="P1M")]


@pytest.mark.parametrize("told", list(permutations(IN_ORDER)))
def test_in_whatever_order_a_purchase_is_told_it_ends_as_in_order(told: tuple[Command, ...]) -> None:
    """R-36, R-132."""
    told_so, expected = state_of(IN_USE, *told), state_of(IN_USE, *IN_ORDER)
    assert told_so.ends_at == expected.ends_at == NEXT_END - relativedelta(months=4)
    assert told_so.pending == expected.pending == ()


def test_a_code_remembers_so_many_early_refunds_and_no_more() -> None:
    """R-132: any shop can send one."""
    many: list[CodeEvent] = [too_early(A, "refund", order=str(number)) for number in range(EARLY_MAX - 1)]
    scenario(DECIDER, given=[*IN_USE, *many], when=refund(), then=[too_early(A, "refund")])
    scenario(
        DECIDER,
        given=[*IN_USE, *many, too_early(A, "cancellation", order="x")],
        when=refund(),
        then=[not_bought(A, "unknown_order", what="refund")],
    )


def test_what_an_earlier_release_refused_is_not_remembered() -> None:
    """R-132: its shops were told that it changed nothing."""
    refused = [not_bought(A, "unknown_order", what=what) for what in ("refund", "cancellation")]
    assert state_after(DECIDER, [*IN_USE, *refused]) == state_after(DECIDER, IN_USE)


def test_a_payment_notice_after_the_refund_renews_nothing() -> None:
    """R-95, R-96: each order counts once."""
    again = RecordPurchase(code_ref=A, at=LATER, order_id="order-1", settled=True, purchased_at=NOON)
    scenario(DECIDER, given=[*BOUGHT, shortened(A)], when=again, then=[])


def test_the_next_renewal_begins_where_the_shortened_license_ends() -> None:
    """R-92, R-96."""
    given: list[CodeEvent] = [*BOUGHT, shortened(A)]
    buys = RecordPurchase(code_ref=A, at=NOON, order_id="order-2", settled=True, purchased_at=NOON)
    scenario(DECIDER, given=given, when=buys, then=[renewed(A, order="order-2")])


a_term = st.sampled_from(["P1Y", "P1M", "P2Y", "P6M", "P30D", "P1Y1M1D", "P1M10D"])
a_purchase = st.tuples(a_term, st.integers(0, 3_000))


@hypothesis_given(purchases=st.lists(a_purchase, min_size=1, max_size=6), data=st.data())
def test_a_refund_leaves_what_the_other_orders_would_have_made(
    purchases: list[tuple[str, int]], data: st.DataObject
) -> None:
    """R-92, R-96: whatever was bought, early or late, and whichever orders are refunded."""
    at_once = decider(POLICY.model_copy(update={"refund_notice": timedelta(0)}))
    orders = [
        RecordPurchase(
            code_ref=A,
            at=START + timedelta(days=day),
            order_id=str(number),
            settled=True,
            purchased_at=START + timedelta(days=day),
            term=term,
        )
        for number, (term, day) in enumerate(sorted(purchases, key=lambda purchase: purchase[1]))
    ]
    paid_back = set(data.draw(st.lists(st.sampled_from(orders), unique_by=lambda order: order.order_id)))
    history = list(IN_USE)
    commands: list[Command] = [*orders, *(refund(order=order.order_id, at=START) for order in paid_back)]
    for command in commands:
        history += decided(at_once, history, command)
    as_if = list(IN_USE)
    for order in orders:
        if order not in paid_back:
            as_if += decided(at_once, as_if, order)
    code = fold(DECIDER.evolve, history, DECIDER.initial)
    assert code.ends_at == fold(DECIDER.evolve, as_if, DECIDER.initial).ends_at
    assert code.started_at == START


@hypothesis_given(
    at=st.datetimes(datetime(2026, 3, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    term=st.none() | a_term,
)
def test_no_refund_shortens_by_more_than_it_may(at: datetime, term: str | None) -> None:
    """R-96."""
    for event in decided(DECIDER, BOUGHT, refund(at=at, term=term)):
        if isinstance(event, LicenseShortened):
            assert min(NEXT_END, at + POLICY.refund_notice) <= event.ends_at <= event.previous_ends_at


# --- cancellations -----------------------------------------------------------------------------------------

HELD: list[CodeEvent] = [*IN_USE, announced(A, until=NEXT_END)]


def test_an_announced_purchase_that_is_cancelled_no_longer_holds_the_switch() -> None:
    """R-70."""
    scenario(DECIDER, given=HELD, when=cancel(), then=[cancelled(A)])
    switch = on(expired(reserve=B), END)
    scenario(DECIDER, given=[*HELD, issued(B)], when=switch, then=[delayed(B, until=NEXT_END)])
    license_, _ = decided(DECIDER, [*HELD, issued(B), cancelled(A)], switch)
    assert license_.code_ref == B


def test_a_cancellation_ends_only_its_own_hold() -> None:
    """R-70."""
    code = state_after(DECIDER, [*HELD, announced(A, until=NEXT_END, order="order-2"), cancelled(A)])
    assert [purchase.order_id for purchase in code.pending] == ["order-2"]


def test_a_cancellation_that_comes_twice_changes_nothing_more() -> None:
    """R-95, R-116."""
    scenario(DECIDER, given=[*HELD, cancelled(A)], when=cancel(), then=[])


def test_a_cancelled_purchase_is_not_announced_again_but_may_be_paid_after_all() -> None:
    """R-70, R-95: notices of a shop may overtake each other."""
    given: list[CodeEvent] = [*HELD, cancelled(A)]
    late = RecordPurchase(code_ref=A, at=NOON, order_id="order-1", settled=False, purchased_at=NOON)
    scenario(DECIDER, given=given, when=late, then=[])
    paid = late.model_copy(update={"settled": True})
    scenario(DECIDER, given=given, when=paid, then=[renewed(A)])


@pytest.mark.parametrize(
    ("given", "reason"), [(BOUGHT, "already_settled"), (IN_USE, "unknown_order"), ([issued(A)], "unknown_order")]
)
def test_what_was_not_announced_cannot_be_cancelled(given: list[CodeEvent], reason: str) -> None:
    """R-70, R-123."""
    refused = too_early(A, "cancellation").but(reason=reason, awaits_purchase=reason == "unknown_order")
    scenario(DECIDER, given=given, when=cancel(), then=[refused])
    assert state_after(DECIDER, [*given, refused]).but(cancelled=()) == state_after(DECIDER, given)


@pytest.mark.parametrize("order", [refund(), cancel()])
def test_a_shops_command_about_a_code_that_was_never_issued_is_refused(order: RecordRefund | CancelPurchase) -> None:
    """R-123: there is no stream that could keep it."""
    with pytest.raises(Refused) as refusal:
        decided(DECIDER, [], order)
    assert refusal.value.code == "unknown_code"
