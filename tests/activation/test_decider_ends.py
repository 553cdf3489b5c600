"""When a license ends: from the anchor, by the sum of what was paid, and from when on a late renewal counts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from services.activation.decider import DECIDER, POLICY, Code, CodeEvent, RecordPurchase, RecordRefund, decider
from shared.messages import LicenseRenewed, LicenseShortened
from shared.rules.decider import fold
from shared.rules.term import end_of
from tests.scenarios import A, activated, decided, issued, renewed, shortened, state_after

DAY = timedelta(days=1)
AT_ONCE = decider(POLICY.model_copy(update={"refund_notice": timedelta(0)}))


def noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00Z")


def in_use(started: datetime, term: str = "P1M", **terms: object) -> list[CodeEvent]:
    return [issued(A, term=term, **terms), activated(A, at=started, ends=end_of(started, term))]  # type: ignore[arg-type]


def buy(term: str, order: str, *, at: datetime, bought: datetime | None = None) -> RecordPurchase:
    return RecordPurchase(code_ref=A, at=at, order_id=order, settled=True, purchased_at=bought or at, term=term)


def refund(order: str, *, at: datetime, term: str | None = None) -> RecordRefund:
    return RecordRefund(code_ref=A, at=at, order_id=order, note="changed his mind", term=term)


def bought(history: list[CodeEvent], terms: Sequence[str], *, at: datetime) -> list[CodeEvent]:
    """Return the history with one order after the other, numbered from 0."""
    for number, term in enumerate(terms):
        history = [*history, *decided(AT_ONCE, history, buy(term, str(number), at=at))]
    return history


def code_after(history: list[CodeEvent]) -> Code:
    return state_after(DECIDER, history)


def end_after(history: list[CodeEvent]) -> datetime:
    ends_at = code_after(history).ends_at
    assert ends_at is not None
    return ends_at


# --- the sum of what was paid --------------------------------------------------------------------------------


def test_a_license_that_began_on_a_31st_ends_on_each_month_s_last_day() -> None:
    """R-129: and not on the 28th for ever after the first February."""
    began = noon("2027-01-31")
    ends = [end_after(bought(in_use(began), ["P1M"] * count, at=began)) for count in range(6)]
    days = ("2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30", "2027-07-31")
    assert ends == [noon(day) for day in days]


def test_a_29_february_comes_back_after_four_years() -> None:
    """R-129."""
    began = noon("2028-02-29")
    ends = [end_after(bought(in_use(began, "P1Y"), ["P1Y"] * count, at=began)) for count in range(4)]
    assert ends == [noon(day) for day in ("2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29")]


@pytest.mark.parametrize("terms", [["P3M"], ["P1M", "P2M"], ["P2M", "P1M"], ["P1M"] * 3])
def test_three_months_are_three_months_however_they_were_bought(terms: list[str]) -> None:
    """R-129."""
    began = noon("2027-01-31")
    assert end_after(bought(in_use(began), terms, at=began)) == noon("2027-05-31")


def test_the_month_in_which_a_renewal_was_bought_moves_no_end() -> None:
    """R-92, R-129: bought in time is bought in time."""
    began = noon("2027-01-31")
    history = in_use(began)
    for number, day in enumerate(("2027-02-28", "2027-03-30", "2027-04-29")):
        history += decided(DECIDER, history, buy("P1M", str(number), at=noon(day)))
    assert end_after(history) == noon("2027-05-31")


def test_a_purchase_that_closes_a_gap_is_the_new_anchor() -> None:
    """R-92, R-129."""
    late = noon("2027-03-31")
    history = bought(in_use(noon("2027-01-15")), ["P1M", "P1M"], at=late)
    assert [event.anchor_at for event in history if isinstance(event, LicenseRenewed)] == [late, late]
    assert end_after(history) == noon("2027-05-31")


def test_the_shorter_term_of_a_discounted_code_is_the_first_of_the_sum() -> None:
    """R-30, R-129."""
    began = noon("2027-01-31")
    history: list[CodeEvent] = [
        issued(A, term="P1Y", short_term="P1M", kind="renewal"),
        activated(A, at=began, ends=noon("2027-02-28")),
    ]
    assert end_after(bought(history, ["P1M"], at=began)) == noon("2027-03-31")


def test_a_refund_leaves_what_the_others_paid_counted_from_the_anchor() -> None:
    """R-96, R-129: two of three months bought leave the end of the third month, whichever was refunded."""
    began = noon("2027-01-31")
    history = bought(in_use(began), ["P1M", "P1M", "P1M"], at=began)
    for order in ("0", "1", "2"):
        left = [*history, *decided(AT_ONCE, history, refund(order, at=began))]
        assert end_after(left) == noon("2027-04-30")
        assert end_after([*left, *decided(AT_ONCE, left, buy("P1M", "again", at=began))]) == noon("2027-05-31")


def test_a_part_is_refunded_out_of_the_sum() -> None:
    """R-96, R-129: 31 January and three months less one are two months, not 30 April less one."""
    began = noon("2027-01-31")
    history = bought(in_use(began), ["P2M"], at=began)
    assert end_after(history) == noon("2027-04-30")
    left = [*history, *decided(AT_ONCE, history, refund("0", at=began, term="P1M"))]
    assert end_after(left) == noon("2027-03-31")


def test_the_last_month_s_31_days_may_be_refunded_as_days() -> None:
    """R-96, R-129: as many as the order added, which a month from the clamped end would not have."""
    began = noon("2027-01-31")
    history = bought(in_use(began), ["P1M"], at=began)
    (shorter,) = decided(AT_ONCE, history, refund("0", at=began, term="P31D"))
    assert isinstance(shorter, LicenseShortened)
    assert shorter.ends_at == noon("2027-02-28")
    (refused,) = decided(AT_ONCE, history, refund("0", at=began, term="P32D"))
    assert getattr(refused, "reason", None) == "refund_exceeds_purchase"


def test_a_refund_that_comes_again_takes_nothing_from_what_was_bought_since() -> None:
    """R-95, R-96: the order after it began when the notice period ended, and stays there."""
    began, late = noon("2027-01-31"), noon("2027-03-30")
    history = bought(in_use(began), ["P1M"], at=began)
    history += decided(DECIDER, history, refund("0", at=late))
    notice = end_after(history)
    assert notice == noon("2027-03-31")  # it would have ended anyway
    history = [*in_use(began), *decided(DECIDER, in_use(began), buy("P1Y", "0", at=began))]
    history += decided(DECIDER, history, refund("0", at=late))
    assert end_after(history) == late + POLICY.refund_notice
    history += decided(DECIDER, history, buy("P1M", "1", at=late))
    assert end_after(history) == end_of(late + POLICY.refund_notice, "P1M")
    assert decided(DECIDER, history, refund("0", at=late)) == []


months = st.integers(1, 30).map(lambda count: f"P{count}M")
a_term = months | st.sampled_from(["P1Y", "P2Y", "P30D", "P1D", "P1M10D", "P1Y1M1D"])
starts = st.datetimes(datetime(2020, 1, 1), datetime(2031, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@hypothesis_given(began=starts, first=a_term, terms=st.lists(a_term, min_size=1, max_size=4))
def test_what_was_paid_alike_ends_alike_in_any_order(began: datetime, first: str, terms: list[str]) -> None:
    """R-129."""
    ends = {end_after(bought(in_use(began, first), each, at=began)) for each in permutations(terms)}
    assert len(ends) == 1


@hypothesis_given(began=starts, terms=st.lists(a_term, min_size=2, max_size=6), refunds=st.data())
def test_each_renewal_is_a_later_end_and_each_refund_an_earlier_one(
    began: datetime, terms: list[str], refunds: st.DataObject
) -> None:
    """R-90, R-96, R-129: and the fold of the events says the same as the last of them."""
    history, ends = bought(in_use(began), terms, at=began), []
    ends = [event.ends_at for event in history if isinstance(event, LicenseRenewed)]
    assert ends == sorted(set(ends))
    paid_back = refunds.draw(st.permutations([str(number) for number in range(len(terms))]))
    for order in paid_back:
        before = end_after(history)
        history += decided(AT_ONCE, history, refund(order, at=began))
        assert end_after(history) < before
        assert code_after(history).renewals[-1].ends_at == end_after(history)
    assert end_after(history) == end_of(began, "P1M")


# --- renewals that are told late ------------------------------------------------------------------------------


def test_a_renewal_that_would_already_be_over_counts_from_its_arrival() -> None:
    """R-130."""
    at, paid_at = noon("2027-05-11"), noon("2027-04-01")
    (event,) = decided(DECIDER, in_use(noon("2027-01-31")), buy("P1M", "late", at=at, bought=paid_at))
    ends_at = noon("2027-06-11")
    assert event == renewed(
        A, previous=noon("2027-02-28"), ends=ends_at, bought=paid_at, order="late", term="P1M", anchor=at
    )
    assert isinstance(event, LicenseRenewed)
    assert event.counts_from == at


@pytest.mark.parametrize(("late", "counts_from"), [(0, 0), (1, 0), (29, 0), (30, 30), (31, 31), (400, 400)])
def test_a_renewal_counts_from_the_purchase_as_long_as_something_is_left_of_it(late: int, counts_from: int) -> None:
    """R-92, R-130: thirty days are over after thirty days."""
    paid_at = noon("2027-04-01")
    order = buy("P30D", "late", at=paid_at + late * DAY, bought=paid_at)
    (event,) = decided(DECIDER, in_use(noon("2027-01-31")), order)
    assert isinstance(event, LicenseRenewed)
    assert (event.counts_from, event.ends_at) == (
        paid_at + counts_from * DAY,
        paid_at + (counts_from + 30) * DAY,
    )


def test_a_renewal_that_was_bought_in_time_and_told_after_it_would_be_over_counts_from_its_arrival() -> None:
    """R-92, R-130."""
    at = noon("2027-09-01")
    (event,) = decided(DECIDER, in_use(noon("2027-01-31")), buy("P1M", "late", at=at, bought=noon("2027-02-01")))
    assert isinstance(event, LicenseRenewed)
    assert (event.counts_from, event.ends_at) == (at, noon("2027-10-01"))


@hypothesis_given(began=starts, late=st.integers(0, 2_000), told=st.integers(0, 2_000), term=a_term)
def test_no_renewal_is_over_when_it_arrives(began: datetime, late: int, told: int, term: str) -> None:
    """R-130: whatever date the shop tells, before the license began or ages ago."""
    at = began + late * DAY
    (event,) = decided(DECIDER, in_use(began), buy(term, "late", at=at, bought=at - told * DAY))
    assert isinstance(event, LicenseRenewed)
    assert event.ends_at > at


# --- subscriptions that renew themselves ----------------------------------------------------------------------


def subscribed(began: datetime, *, auto_renews: bool = True) -> list[CodeEvent]:
    return in_use(began, kind="subscription", auto_renews=auto_renews)


def test_a_subscription_keeps_its_day_though_each_payment_comes_hours_after_its_end() -> None:
    """R-135: over a year, from the 31st."""
    history, days = subscribed(noon("2027-01-31")), []
    for number in range(12):
        paid_at = end_after(history) + timedelta(hours=number)
        history += decided(DECIDER, history, buy("P1M", str(number), at=paid_at))
        days.append(end_after(history))
    assert [day.day for day in days] == [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29]
    assert days[-1] == noon("2028-02-29")


@pytest.mark.parametrize(
    ("auto_renews", "after", "counts_after"),
    [
        (True, DAY - timedelta(milliseconds=1), 0 * DAY),
        (True, DAY, DAY),
        (False, timedelta(hours=1), timedelta(hours=1)),
    ],
)
def test_a_renewal_counts_from_the_old_end_within_the_hold_only(
    auto_renews: bool, after: timedelta, counts_after: timedelta
) -> None:
    """R-92, R-135: it is the hold for which the switch waits too."""
    history = subscribed(noon("2027-01-15"), auto_renews=auto_renews)
    ends_at = end_after(history)
    (event,) = decided(DECIDER, history, buy("P1M", "1", at=ends_at + after))
    assert isinstance(event, LicenseRenewed)
    assert event.counts_from == ends_at + counts_after
    assert event.ends_at == end_of(ends_at + counts_after, "P1M")


def test_a_payment_within_the_hold_that_is_told_later_counts_from_the_old_end() -> None:
    """R-130, R-135: unless it would be over by then."""
    history = subscribed(noon("2027-01-15"))
    paid_at = end_after(history) + timedelta(hours=2)
    (told,) = decided(DECIDER, history, buy("P1M", "1", at=paid_at + 5 * DAY, bought=paid_at))
    (late,) = decided(DECIDER, history, buy("P1M", "1", at=paid_at + 50 * DAY, bought=paid_at))
    assert isinstance(told, LicenseRenewed)
    assert isinstance(late, LicenseRenewed)
    assert (told.counts_from, late.counts_from) == (end_after(history), paid_at + 50 * DAY)


def test_a_renewal_within_the_hold_stays_where_it_began_when_it_is_refunded_in_part() -> None:
    """R-96, R-135."""
    history = subscribed(noon("2027-01-31"))
    history += decided(DECIDER, history, buy("P2M", "1", at=end_after(history) + timedelta(hours=2)))
    assert end_after(history) == noon("2027-04-30")
    history += decided(AT_ONCE, history, refund("1", at=noon("2027-03-01"), term="P1M"))
    assert end_after(history) == noon("2027-03-31")


def test_a_refund_before_a_gap_leaves_a_renewal_within_the_hold_where_it_began() -> None:
    """R-96, R-135."""
    history = subscribed(noon("2027-01-31"))
    days = (noon("2027-02-01"), noon("2027-05-31"), noon("2027-06-30") + timedelta(hours=2))
    for number, at in enumerate(days):
        history += decided(DECIDER, history, buy("P1M", str(number), at=at))
    assert end_after(history) == noon("2027-07-31")
    history += decided(AT_ONCE, history, refund("0", at=days[2]))
    assert end_after(history) == noon("2027-07-31")
    history += decided(DECIDER, history, buy("P1M", "next", at=days[2]))
    assert end_after(history) == noon("2027-08-31")


# --- what an earlier release recorded ------------------------------------------------------------------------


def as_before(history: list[CodeEvent]) -> list[CodeEvent]:
    """Return events as an earlier release recorded them: each end counted from the end before."""
    ends_at, before = end_after(history[:2]), list(history[:2])
    for event in history[2:]:
        assert isinstance(event, LicenseRenewed)
        assert event.term is not None
        begins_at = max(ends_at, event.purchased_at)
        previous, ends_at = ends_at, end_of(begins_at, event.term)
        before.append(event.but(previous_ends_at=previous, ends_at=ends_at, anchor_at=None))
    return before


def test_an_end_that_was_recorded_before_stays_and_the_next_renewal_counts_from_the_anchor() -> None:
    """R-129."""
    began = noon("2027-01-31")
    history = as_before(bought(in_use(began), ["P1M", "P1M"], at=began))
    assert end_after(history) == noon("2027-04-28")
    (event,) = decided(DECIDER, history, buy("P1M", "next", at=began))
    assert event == renewed(
        A,
        previous=noon("2027-04-28"),
        ends=noon("2027-05-31"),
        bought=began,
        order="next",
        term="P1M",
        anchor=began,
    )


@hypothesis_given(began=starts, terms=st.lists(a_term, min_size=1, max_size=5), late=st.integers(0, 900), next_=a_term)
def test_nobody_gets_less_than_the_earlier_release_would_have_given(
    began: datetime, terms: list[str], late: int, next_: str
) -> None:
    """R-129: after a gap too."""
    at = began + late * DAY
    history = as_before(bought(in_use(began), terms, at=at))
    for number in range(3):
        before = end_after(history)
        history += decided(DECIDER, history, buy(next_, f"next-{number}", at=at))
        assert end_after(history) >= end_of(max(before, at), next_) or number > 0
        assert end_after(history) > before


@pytest.mark.parametrize("ends", ["2027-04-30", "2027-04-28"])
def test_a_purchase_with_a_date_ahead_is_no_anchor_after_a_refund_either(ends: str) -> None:
    """R-96, R-129: what an earlier release recorded so was told before the end, and this one records what it counts."""
    began, recorded_before = noon("2027-01-31"), ends == "2027-04-28"
    ahead = buy("P1M", "ahead", at=began, bought=began + POLICY.clock_tolerance)
    history = bought(in_use(began), ["P1M"], at=began)
    history += decided(AT_ONCE, history, ahead)
    if recorded_before:
        *before, last = as_before([*history[:3], history[3].but(purchased_at=began)])
        history = [*before, last.but(purchased_at=noon("2029-01-01"))]
    assert end_after(history) == noon(ends)
    history += decided(AT_ONCE, history, refund("0", at=began))
    assert end_after(history) == noon("2027-03-31")
    history += decided(AT_ONCE, history, buy("P1M", "next", at=began))
    assert end_after(history) == noon("2027-04-30")


def test_a_refund_makes_no_later_renewal_longer() -> None:
    """R-96: a month from 1 March is longer than the month that was added to 1 February before its 28 days."""
    began = noon("2027-02-01")
    history = bought(in_use(began, "P1D"), ["P27D"], at=began)
    history += decided(AT_ONCE, history, buy("P1M", "1", at=noon("2027-03-01") - timedelta(hours=1)))
    ends_at = end_after(history)
    assert ends_at == noon("2027-03-29")
    history += decided(AT_ONCE, history, refund("0", at=noon("2027-03-01")))
    assert [code_after(history).renewals[-1].ends_at, end_after(history)] == [ends_at, ends_at]


STORED_BEFORE = (
    '{"code_ref":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","vendor":"default","last_group":"AAAAA","product":"security",'
    '"kind":"paid","edition":"standard","term":"P1M","seats":1,"started_at":"2027-01-31T12:00:00Z",'
    '"ends_at":"2027-04-28T12:00:00Z","seats_taken":1,"renewals":['
    '{"order_id":"0","purchased_at":"2027-01-31T12:00:00Z","previous_ends_at":"2027-02-28T12:00:00Z",'
    '"ends_at":"2027-02-28T12:00:00Z","term":"P1M","paid_back":true},'
    '{"order_id":"1","purchased_at":"2027-01-31T12:00:00Z","previous_ends_at":"2027-02-28T12:00:00Z",'
    '"ends_at":"2027-03-28T12:00:00Z","term":"P1M"},'
    '{"order_id":"2","purchased_at":"2027-01-31T12:00:00Z","previous_ends_at":"2027-03-28T12:00:00Z",'
    '"ends_at":"2027-04-28T12:00:00Z","term":"P2M","refunded":["P1M"]}]}'
)
"""What the release before R-129 stored of this history."""


def test_a_refund_that_was_recorded_before_is_folded_as_it_was_then() -> None:
    """R-118, R-129: byte for byte, for rows of that release are compared with rebuilt ones."""
    began = noon("2027-01-31")
    history = as_before(bought(in_use(began), ["P1M", "P1M", "P2M"], at=began))
    ends_at = end_after(history)
    refunded = shortened(A, order="0", previous=ends_at, ends=noon("2027-05-28"), anchor=None)
    part = shortened(A, order="2", previous=noon("2027-05-28"), ends=noon("2027-04-28"), anchor=None, term="P1M")
    code = fold(DECIDER.evolve, [*history, refunded, part], DECIDER.initial)
    assert code.to_json() == STORED_BEFORE
    (next_,) = decided(DECIDER, [*history, refunded, part], buy("P1M", "next", at=began))
    assert isinstance(next_, LicenseRenewed)
    assert (next_.anchor_at, next_.ends_at) == (began, noon("2027-05-31"))


def test_a_purchase_that_was_recorded_with_a_date_ahead_is_no_anchor() -> None:
    """R-129: an earlier release kept the date of a fast clock, and did not count by it."""
    began = noon("2027-01-31")
    ahead = renewed(
        A, previous=noon("2027-02-28"), ends=noon("2027-03-28"), bought=noon("2029-01-01"), term="P1M", anchor=None
    )
    (event,) = decided(DECIDER, [*in_use(began), ahead], buy("P1M", "next", at=began))
    assert isinstance(event, LicenseRenewed)
    assert (event.anchor_at, event.ends_at) == (began, noon("2027-04-30"))
